"""The command line ``cardfraud``.

Every command imports what it needs when it runs, so that help comes at once.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from cardfraud.errors import CardfraudError
from cardfraud_pipelines.policies.cli import app as policies
from cardfraud_pipelines.predictions.cli import app as predictions


class _ReportingGroup(TyperGroup):
    """Prints an error of the library as one line with its hint; anything else is a bug."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit with 1 on an error of the library."""
        try:
            return super().invoke(ctx)
        except CardfraudError as error:
            typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
            sys.exit(1)


class Clock(StrEnum):
    """Whether event times are measured against the server's clock."""

    LIVE = "live"
    REPLAY = "replay"


class S3Server(StrEnum):
    """The object store of the local stack."""

    AUTO = "auto"
    VERSITYGW = "versitygw"
    MINIO = "minio"
    MOTO = "moto"


app = typer.Typer(
    cls=_ReportingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="""Card-fraud detection: raw transactions in, a served decision out.

    Start with [bold]cardfraud demo[/bold]: it simulates a season of card payments, trains and
    checks three models, serves the best one, and replays the next day through it.
    """,
    rich_markup_mode="rich",
)


app.add_typer(policies, name="policy")
app.add_typer(predictions, name="predictions")


def _show_version(value: bool) -> None:
    if value:
        from cardfraud import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Hold the options that stand before the command."""


Folder = Annotated[Path, typer.Option(exists=True, file_okay=False, readable=True)]


@app.command()
def demo(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder in the Fraud Detection Handbook's schema, one Parquet file a day; "
            "simulated transactions if absent.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    replay_days: Annotated[int, typer.Option(min=1, help="Days to replay as live traffic.")] = 1,
    train_days: Annotated[int, typer.Option(min=14, help="Days to train on, at most.")] = 42,
    today: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="First day to replay; the last possible if absent."
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers up and print a request to try.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulation and of the models.")] = 42,
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("build/demo"),
) -> None:
    """Run the whole loop on real servers on this machine and write a report."""
    from cardfraud_pipelines.demo.run import DemoConfig, run_demo

    run_demo(
        DemoConfig(
            data=data,
            replay_days=replay_days,
            train_days=train_days,
            today=today.date() if today else None,
            keep=keep,
            seed=seed,
            out=out,
        )
    )


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder to write to; made if absent.")],
    start: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day.")] = datetime(
        2026, 1, 1, tzinfo=UTC
    ),
    days: Annotated[int, typer.Option(min=1, help="Days to simulate.")] = 120,
    users: Annotated[int, typer.Option(min=1, help="Card holders.")] = 5_000,
    merchants: Annotated[int, typer.Option(min=1, help="Merchants.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same transactions.")] = 42,
) -> None:
    """Write simulated transactions in the handbook's schema, one Parquet file a day.

    A ``mapping.yaml`` beside them reads what the handbook does not have, too: segments and the
    time at which a label was reported.
    """
    from cardfraud_pipelines.demo.simulated import write_simulation

    write_simulation(
        out, start=start.date(), days=days, users=users, merchants=merchants, seed=seed
    )


@app.command()
def stack(
    folder: Annotated[
        Path, typer.Option(help="Folder of logs, data and stack.env; emptied at the start.")
    ] = Path("build/local/stack"),
    object_store: Annotated[
        S3Server,
        typer.Option(
            help="auto takes versitygw, or moto where that cannot be built; minio takes minutes to "
            "build, once."
        ),
    ] = S3Server.AUTO,
) -> None:
    """Start S3, Redis and MLflow on this machine and keep them up, for running steps by hand."""
    from cardfraud_pipelines.local.hold import hold_stack

    hold_stack(folder, s3=object_store.value)


@app.command()
def serve(
    clock: Annotated[
        Clock, typer.Option(help="live refuses events ahead of the clock; replay takes any time.")
    ] = Clock.LIVE,
    folder: Annotated[Path, typer.Option(help="Folder of logs; emptied at the start.")] = Path(
        "build/local/servers"
    ),
    fused: Annotated[
        bool, typer.Option("--fused", help="Run the model inside the transformer: one process.")
    ] = False,
) -> None:
    """Start predictor and transformer for what was deployed last, and keep them up."""
    from cardfraud_pipelines.local.hold import hold_servers

    hold_servers(folder, clock=clock.value, fused=fused)


@app.command()
def scorecard(
    data: Folder,
    test_start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="First day of the test week.")
    ] = datetime(2018, 8, 8, tzinfo=UTC),
    test_days: Annotated[int, typer.Option(min=1, help="Days to test on.")] = 7,
    earlier_weeks: Annotated[
        int, typer.Option(min=0, help="Test weeks before it on which our model is measured too.")
    ] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where to write the figures as JSON.")
    ] = None,
) -> None:
    """Run the Fraud Detection Handbook's protocol and print the book's figures beside ours."""
    from cardfraud_pipelines.scorecard.command import scorecard as run

    run(
        data=data,
        test_start=test_start.date(),
        test_days=test_days,
        earlier_weeks=earlier_weeks,
        json_file=json_file,
    )


@app.command()
def bench(
    data: Annotated[
        Path | None,
        typer.Option(help="Folder in the handbook's schema, for the cost of rounding to tiles."),
    ] = None,
    json_file: Annotated[
        Path, typer.Option("--json", help="Where to write the figures as JSON.")
    ] = Path("build/bench.json"),
    part: Annotated[
        Literal["features", "serving"] | None, typer.Option(help="One part alone; both if absent.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(help="Users in the online store at last.", min=1_000)
    ] = None,
) -> None:
    """Measure the budgets: features beside pandas, serving beside a plain web server."""
    from cardfraud_pipelines.benchmarks.command import PARTS
    from cardfraud_pipelines.benchmarks.command import bench as run

    run(data=data, json_file=json_file, parts=PARTS if part is None else (part,), users=users)


@app.command()
def ladder(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder in the handbook's schema, one Parquet file a day; simulated if absent.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First measured day; the last days if absent."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="Days to measure on.")] = 7,
    seed: Annotated[int, typer.Option(help="Seed of the simulation and of the model.")] = 42,
    json_file: Annotated[
        Path, typer.Option("--json", help="Where to write the figures as JSON.")
    ] = Path("build/ladder.json"),
    picture: Annotated[Path | None, typer.Option(help="Where to write an SVG.")] = None,
) -> None:
    """Measure what each rung of degradation costs: stale state, no predictor, no store."""
    from cardfraud_pipelines.ladder.command import ladder as run

    run(
        data=data,
        start=start.date() if start else None,
        days=days,
        seed=seed,
        json_file=json_file,
        picture=picture,
    )


@app.command()
def imbalance(
    data: Folder,
    week: Annotated[
        list[datetime] | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="First day of a test week; may be given several times. [2018-07-04 and the three "
            "weeks after it]",
        ),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="A seed; may be given several times. [42]")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where to write the figures as JSON.")
    ] = None,
) -> None:
    """Compare treatments of rare fraud (weights, resampling, none) on the handbook's protocol."""
    from cardfraud_pipelines.imbalance.command import WEEKS
    from cardfraud_pipelines.imbalance.command import imbalance as run

    weeks = [day.date() for day in week] if week else WEEKS
    run(data=data, weeks=weeks, seeds=tuple(seed or (42,)), json_file=json_file)


@app.command()
def repeat(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The candidate's run_id.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where to write what came of it as JSON.")
    ] = None,
) -> None:
    """Train again from the record of a run; exit with 1 unless the model's bytes are the same.

    What is not as recorded is listed: data, lock, libraries, processor, parameters.
    """
    from cardfraud_pipelines.repetition import repeat_run

    if not repeat_run(run_id, json_file=json_file):
        raise typer.Exit(1)


@app.command()
def generate(
    root: Annotated[Path, typer.Option(help="Root of the repository.")] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file has drifted.")
    ] = False,
) -> None:
    """Write every generated file anew; ``make verify`` refuses a difference."""
    from cardfraud_pipelines.generate import drifted, write_generated

    if not check:
        for path in write_generated(root):
            typer.echo(f"written: {path}")
    elif paths := drifted(root):
        for path in paths:
            typer.secho(f"drifted: {path}", fg=typer.colors.RED, err=True)
        typer.echo("Run cardfraud generate, look at the difference, and commit it.", err=True)
        raise typer.Exit(1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def step(
    context: typer.Context,
    verb: Annotated[
        str,
        typer.Argument(help="ingest, validate, featurize, train, evaluate, publish or deploy."),
    ],
) -> None:
    """Run one step as a pipeline does: ``cardfraud step VERB -- ARGUMENTS``, ``-- --help``."""
    import runpy
    from importlib.util import find_spec

    package = find_spec(f"cardfraud.steps.{verb}") if verb.isidentifier() else None
    if package is None or package.submodule_search_locations is None:
        raise typer.BadParameter(f"there is no step {verb!r}", param_hint="VERB")
    sys.argv = [f"cardfraud step {verb}", *context.args]
    runpy.run_module(f"cardfraud.steps.{verb}", run_name="__main__", alter_sys=True)
