"""``cardfraud predictions``: what the prediction log says, checked and judged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Read the prediction log: repeat its decisions, or see what became of them.",
)

First = Annotated[
    datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of serving (UTC).")
]
Last = Annotated[
    datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of serving (UTC).")
]
Model = Annotated[str, typer.Option(help="Name of the model.")]


@app.command()
def replay(first: First, last: Last, model: Model = "fraud") -> None:
    """Score and decide every logged row again; exit with 1 where something else comes out.

    Scores are repeated from the stored vector with the bundle that the row names, decisions from
    the stored score and the values of the rules with its policy. It also exits with 1 where a file
    of the log cannot be read, where there is no row, and where no row could be decided again.
    """
    from cardfraud_pipelines.predictions.commands import replay_log

    if not replay_log(model, first.date(), last.date()):
        raise typer.Exit(1)


@app.command()
def outcomes(
    *,
    first: First,
    last: Last,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Moment (UTC) up to which labels are known; now if absent.",
        ),
    ] = None,
    maturity_days: Annotated[
        float, typer.Option(min=0, help="Days after which no label means legitimate.")
    ] = 7.0,
    key_file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="File with the log's key; "
            "CARDFRAUD_TRANSFORMER_PREDICTION_LOG_KEY holds it if absent.",
        ),
    ] = None,
    model: Model = "fraud",
) -> None:
    """Join logged decisions to their labels and count what was caught, by track and bundle.

    Exit with 1 where a file of the log cannot be read, and where settled decisions have no label at
    all, which is what another key than the log's looks like.
    """
    from cardfraud_pipelines.predictions.commands import show_outcomes

    well = show_outcomes(
        model,
        first.date(),
        last.date(),
        as_of=as_of.replace(tzinfo=UTC) if as_of else datetime.now(UTC),
        maturity_days=maturity_days,
        key_file=key_file,
    )
    if not well:
        raise typer.Exit(1)
