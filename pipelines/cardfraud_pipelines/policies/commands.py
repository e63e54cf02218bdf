"""What the commands around policies do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console

from cardfraud.adapters.bundles import load_bundle, load_policy
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.contracts.candidate import Period
from cardfraud.contracts.policy import CostMatrix, Policy
from cardfraud.contracts.tracks import TrackName
from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.operating_point import choose_thresholds
from cardfraud.evaluation.rules import ScoredRows, backtest
from cardfraud.steps.deploy.policy_change import apply_policy
from cardfraud.steps.evaluate.config import PolicyDraft
from cardfraud_pipelines.policies import documents
from cardfraud_pipelines.policies.rows import candidate_of, replayed, validation_rows
from cardfraud_pipelines.policies.tables import (
    backtest_outcomes,
    outcome_table,
    rule_table,
    settings_table,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Of which model and track a command speaks."""

    model: str
    track: TrackName


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a proposal shall change; None keeps what the policy in use says."""

    decline_precision: float | None = None
    missed_fraud_share: float | None = None
    review: float | None = None
    false_decline: float | None = None
    alert_budget_per_day: int | None = None

    def costs(self, current: CostMatrix) -> CostMatrix:
        """Return the cost matrix with the changes."""
        wished = {
            name: value
            for name in ("missed_fraud_share", "review", "false_decline")
            if (value := getattr(self, name)) is not None
        }
        return CostMatrix.model_validate(current.model_dump() | wished)


def show(place: Place, target: str | None) -> None:
    """Print a policy as JSON, the one in use if none is named; on standard error its digest."""
    store = ObjectStore(ObjectStoreSettings())
    if target is None:
        digest = documents.served(store, place.model, place.track).policy
        policy, what = load_policy(store, place.model, digest), f"in use on {place.track}: {digest}"
    else:
        policy = documents.named(store, place.model, target)
        what = f"digest: {policy.digest}"
    _aside(what)
    sys.stdout.write(f"{documents.text(policy)}\n")


def propose(place: Place, wishes: Wishes, out: Path | None) -> None:
    """Choose thresholds for the bundle in use from its validation rows, under other costs.

    Rules and gate limits stay as they are. The proposal goes to ``out``, a new file, or to
    standard output.

    Raises:
        NotFound: nothing is deployed, or the candidate of the bundle is gone.
        InvalidSetting: a cost, a budget or a precision is out of range, or ``out`` exists.
    """
    if out is not None and out.exists():
        raise InvalidSetting("--out", f"{out} exists already", hint="name a new file")
    store = ObjectStore(ObjectStoreSettings())
    track = documents.served(store, place.model, place.track)
    current = load_policy(store, place.model, track.policy)
    bundle = load_bundle(store, place.model, track.bundle)
    rows = validation_rows(store, candidate_of(store, bundle))
    proposal = _chosen(current, wishes, rows)
    _compare(current, proposal, rows)
    _aside(f"Chosen so that of what is declined {proposal.decline_precision:.0%} are frauds.")
    if wishes.decline_precision is None and current.decline_precision is None:
        _aside("The policy in use records no such share; name another with --decline-precision.")
    if out is None:
        sys.stdout.write(f"{documents.text(proposal)}\n")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("x", encoding="utf-8") as file:
        file.write(f"{documents.text(proposal)}\n")
    _aside(f"Written to {out}. Next: cardfraud policy backtest {out}, then policy apply {out}.")


def _chosen(current: Policy, wishes: Wishes, rows: ScoredRows) -> Policy:
    """Return the policy with the wishes, and with thresholds that are chosen by them."""
    costs = wishes.costs(current.costs)
    budget = wishes.alert_budget_per_day or current.alert_budget_per_day
    precision = wishes.decline_precision
    if precision is None:
        precision = current.decline_precision or PolicyDraft().decline_precision
    thresholds = choose_thresholds(
        rows.labels,
        rows.scores,
        rows.amounts,
        days=rows.days,
        cards=rows.cards,
        costs=costs,
        alert_budget_per_day=budget,
        decline_precision=precision,
    )
    return current.model_copy(
        update={
            "thresholds": thresholds,
            "costs": costs,
            "alert_budget_per_day": budget,
            "decline_precision": precision,
        }
    )


def _compare(current: Policy, proposal: Policy, rows: ScoredRows) -> None:
    """Print on standard error what changes, and what both would have done."""
    console = Console(stderr=True)
    console.print(settings_table(current, proposal))
    # Both priced alike, by the new costs; rules stay out, because these rows carry no values.
    bare = [
        one.model_copy(update={"rules": (), "costs": proposal.costs}) for one in (current, proposal)
    ]
    results = [backtest(one, rows) for one in bare]
    outcomes = {"in use": results[0].model_alone, "proposed": results[1].model_alone}
    title = "Thresholds alone on the validation rows, which they were chosen on; at the new costs"
    console.print(outcome_table(title, outcomes, results[0].frauds))


@dataclass(frozen=True, slots=True)
class Days:
    """Which days to replay.

    Attributes:
        period: None takes the test days of the bundle in use.
        as_of: labels reported until then count.
    """

    period: Period | None
    as_of: datetime


def try_policy(place: Place, target: str | None, days: Days, json_file: Path | None) -> None:
    """Replay some days and print what a policy, and each of its rules, would have done.

    Raises:
        NotFound: nothing is deployed, or no days were named and the bundle's candidate is gone.
        InvalidFrame: there is nothing to replay.
        InvalidSetting: the policy cannot be read, or a rule reads an unknown value.
    """
    store = ObjectStore(ObjectStoreSettings())
    track = documents.served(store, place.model, place.track)
    policy = documents.named(store, place.model, target or track.policy)
    bundle = load_bundle(store, place.model, track.bundle)
    period = days.period or candidate_of(store, bundle).test
    replay = replayed(store, bundle, period, as_of=days.as_of)
    result = backtest(policy, replay.rows)
    console = Console()
    left_out = f"{replay.immature:,} too young to judge, {replay.unknown:,} without values left out"
    console.print(
        f"Policy {policy.digest}\non {result.rows:,} transactions of {period.start} to "
        f"{period.end - timedelta(days=1)} ({left_out}), frauds of {result.fraud_amount:,.2f}",
        soft_wrap=True,
        highlight=False,
    )
    console.print(outcome_table("Decisions", backtest_outcomes(result), result.frauds))
    if result.rules:
        console.print(rule_table(result))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(f"{result.model_dump_json(indent=2)}\n", encoding="utf-8")
        console.print(f"Written to {json_file}.")


def apply(place: Place, target: str) -> None:
    """Let a track decide by a policy and say how to go back.

    Raises:
        NotFound: nothing is deployed on the track, or there is no such policy.
        InvalidSetting: the policy cannot be read, or a rule reads an unknown value.
        Conflict: somebody else changed it at the same time.
    """
    store = ObjectStore(ObjectStoreSettings())
    change = apply_policy(
        store, place.model, documents.named(store, place.model, target), place.track
    )
    console = Console()
    console.print(f"before {change.before}\nafter  {change.after}", soft_wrap=True, highlight=False)
    if change.before == change.after:
        if change.alias_before == change.after:
            console.print("It decided already; nothing changed.")
        else:
            console.print(
                f"It decided already; the alias {change.alias} was left behind and follows now.\n"
                f"alias before {change.alias_before or 'none'}\nalias after  {change.after}",
                soft_wrap=True,
                highlight=False,
            )
        return
    back = f"cardfraud policy apply {change.before} --track {place.track}"
    back += "" if place.model == "fraud" else f" --model {place.model}"
    console.print(
        f"Servers of {place.track} take it at their next look at the tracks.\nTo go back: {back}",
        soft_wrap=True,
        highlight=False,
    )


def period_of(first: datetime | None, last: datetime | None) -> Period | None:
    """Return the days from ``first`` to ``last``, both included; None where none is named.

    Raises:
        InvalidSetting: one of them is missing, or they are not in order.
    """
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise InvalidSetting("--from" if first is None else "--to", "name both days or neither")
    if first > last:
        raise InvalidSetting("--to", f"{last:%Y-%m-%d} lies before {first:%Y-%m-%d}")
    return Period(start=first.date(), end=last.date() + timedelta(days=1))


def _aside(line: str) -> None:
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)
