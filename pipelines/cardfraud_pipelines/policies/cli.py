"""``cardfraud policy``: the policy of what is served, changed without a redeploy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the policy in use, propose another, try it on past days, apply it.",
)

Model = Annotated[str, typer.Option(help="Name of the model.")]
Track = Annotated[
    Literal["stable", "canary", "shadow"], typer.Option(help="The track that is meant.")
]


@app.command()
def show(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|DIGEST]", help="A policy; the one in use if absent."),
    ] = None,
    *,
    track: Track = "stable",
    model: Model = "fraud",
) -> None:
    """Print a policy as JSON, to be read or edited; its digest goes to standard error."""
    from cardfraud_pipelines.policies import commands

    commands.show(commands.Place(model, track), target)


@app.command()
def propose(
    *,
    alert_budget: Annotated[
        int | None, typer.Option(min=1, help="Cards that analysts can look at in a day.")
    ] = None,
    review_cost: Annotated[
        float | None, typer.Option(min=0, help="Cost of every review or decline.")
    ] = None,
    false_decline_cost: Annotated[
        float | None, typer.Option(min=0, help="Further cost of declining a good transaction.")
    ] = None,
    missed_fraud_share: Annotated[
        float | None, typer.Option(min=0, help="Share of its amount that a missed fraud costs.")
    ] = None,
    decline_precision: Annotated[
        float | None,
        typer.Option(help="Share of frauds that what is declined must reach."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="New file to write it to; standard output if none is named."
        ),
    ] = None,
    track: Track = "stable",
    model: Model = "fraud",
) -> None:
    """Choose thresholds for the bundle in use under other costs, from its validation rows.

    What no option names stays as in the policy in use, rules and gate limits included. A policy
    whose thresholds were given records no decline precision; 0.95 is taken then, and said.
    """
    from cardfraud_pipelines.policies import commands

    wishes = commands.Wishes(
        missed_fraud_share=missed_fraud_share,
        review=review_cost,
        false_decline=false_decline_cost,
        alert_budget_per_day=alert_budget,
        decline_precision=decline_precision,
    )
    commands.propose(commands.Place(model, track), wishes, out)


@app.command()
def backtest(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|DIGEST]", help="A policy; the one in use if absent."),
    ] = None,
    *,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="First day; the test days if absent."),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Labels reported by then count; now if absent."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", dir_okay=False, help="Where to write the figures.")
    ] = None,
    track: Track = "stable",
    model: Model = "fraud",
) -> None:
    """Replay past days and say what a policy, and each of its rules, would have done.

    The model is the one that the track serves; values are those of the offline store, as they were
    known just before each transaction. A rule in mode shadow is judged, too.
    """
    from cardfraud_pipelines.policies import commands

    moment = datetime.now(UTC) if as_of is None else as_of.replace(tzinfo=UTC)
    days = commands.Days(commands.period_of(first, last), moment)
    commands.try_policy(commands.Place(model, track), target, days, json_file)


@app.command()
def apply(
    target: Annotated[str, typer.Argument(metavar="FILE|DIGEST", help="The policy.")],
    *,
    track: Track = "stable",
    model: Model = "fraud",
) -> None:
    """Publish a policy and let a track decide by it; running servers take it by themselves."""
    from cardfraud_pipelines.policies import commands

    commands.apply(commands.Place(model, track), target)
