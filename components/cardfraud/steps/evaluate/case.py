"""Everything that a verdict rests on: the candidate, its policy, the rows, the champion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardfraud.adapters.bundles import load_bundle, load_policy
from cardfraud.adapters.candidates import read_candidate_file
from cardfraud.adapters.documents import parse
from cardfraud.adapters.object_store import decode_frame
from cardfraud.adapters.pointers import alias_digest, paired_policy
from cardfraud.contracts.bundle import MODEL_FILE, SIGNATURE_FILE, Signature
from cardfraud.contracts.candidate import TEST_FILE, VALIDATION_FILE, Candidate
from cardfraud.contracts.policy import Policy
from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.evaluation.operating_point import choose_thresholds
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.assembly import positions
from cardfraud.scoring.decision import check_rules
from cardfraud.scoring.session import OnnxScorer
from cardfraud.steps.evaluate.config import EvaluateConfig, PolicyDraft
from cardfraud.steps.evaluate.figures import held_out
from cardfraud.steps.evaluate.latency import Latency, time_single_rows

if TYPE_CHECKING:
    import polars as pl

    from cardfraud.adapters.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Champion:
    """The bundle that the candidate is compared with, on the same rows.

    Attributes:
        digest: of the bundle.
        policy: the policy that goes with it, by whose thresholds and rules it acts; None
            where the alias names none, so that those of the candidate stand in.
        scored: its scores on the rows.
    """

    digest: str
    policy: Policy | None
    scored: Scored


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that the verdict rests on.

    Attributes:
        candidate: what is judged.
        policy: costs and limits, and the thresholds and rules that the candidate would act by.
        rows: the held-out rows.
        inputs: ``[N, len(scorer.names)]`` float32, what the graph is given for the rows.
        scorer: the graph as it is served.
        scored: its scores on the rows.
        champion: None where there is none to compare with.
        latency: None where it was not measured.
    """

    candidate: Candidate
    policy: Policy
    rows: HeldOut
    inputs: NDArray[np.float32]
    scorer: OnnxScorer
    scored: Scored
    champion: Champion | None
    latency: Latency | None


def read_case(config: EvaluateConfig, store: ObjectStore, candidate: Candidate) -> Case:
    """Read and score all that the verdict rests on.

    Raises:
        InvalidFrame: a transaction stands more than once in the rows.
        IntegrityError: a file of the candidate or of the champion is not what was written.
        InvalidSetting: the champion reads other features, so that the rows fit only one of both; or
            a rule, of the draft or of the champion, reads a value that no request has.
    """
    policy = _policy(config.policy, _frame(store, candidate, VALIDATION_FILE))
    check_rules(policy, FEATURE_NAMES)
    model = read_candidate_file(store, candidate, MODEL_FILE)
    signature = parse(
        Signature, read_candidate_file(store, candidate, SIGNATURE_FILE), SIGNATURE_FILE
    )
    rows = held_out(_frame(store, candidate, TEST_FILE))
    scorer = OnnxScorer(model, signature)
    inputs = _inputs(rows, scorer)
    named = _champion(config.compare_with, store, candidate.model, signature)
    champion = None
    if named is not None:
        digest, other, own = named
        acts_by = policy if own is None else own
        check_rules(acts_by, FEATURE_NAMES)
        champion = Champion(
            digest,
            own,
            Scored(other.score(_inputs(rows, other)), acts_by.thresholds, acts_by.rules),
        )
    return Case(
        candidate=candidate,
        policy=policy,
        rows=rows,
        inputs=inputs,
        scorer=scorer,
        scored=Scored(scorer.score(inputs), policy.thresholds, policy.rules),
        champion=champion,
        latency=time_single_rows(scorer, inputs, config.latency_samples, seed=config.seed),
    )


def _inputs(rows: HeldOut, scorer: OnnxScorer) -> NDArray[np.float32]:
    """Return the columns that a model reads, in its own order, as a server hands them in."""
    read = positions(scorer.names)
    return rows.features if read is None else np.ascontiguousarray(rows.features[:, read])


def _frame(store: ObjectStore, candidate: Candidate, file: str) -> pl.DataFrame:
    frame = decode_frame(read_candidate_file(store, candidate, file), file)
    doubled = int(frame["transaction_id"].is_duplicated().sum())
    if doubled:
        raise InvalidFrame(file, f"{doubled} rows share their transaction_id with another")
    return frame


def _policy(draft: PolicyDraft, validation: pl.DataFrame) -> Policy:
    if draft.thresholds is not None:
        return draft.complete(draft.thresholds)
    rows = held_out(validation)
    return draft.complete(
        choose_thresholds(
            rows.labels,
            validation["score"].to_numpy(),
            rows.amounts,
            days=rows.days,
            cards=rows.cards,
            costs=draft.costs,
            alert_budget_per_day=draft.alert_budget_per_day,
            decline_precision=draft.decline_precision,
        )
    )


def _champion(
    alias: str, store: ObjectStore, model: str, signature: Signature
) -> tuple[str, OnnxScorer, Policy | None] | None:
    """Read the bundle that an alias names, and the policy that goes with it."""
    digest = None if alias == "none" else alias_digest(store, "models", model, alias)
    if digest is None:
        return None
    bundle = load_bundle(store, model, digest)
    if _columns(bundle.signature) != _columns(signature):
        raise InvalidSetting(
            "compare_with",
            f"the {alias} {digest} reads other features than the candidate",
            hint="compare_with none judges the candidate by itself; publication then moves the "
            "challenger alone, never a champion that it was not compared with",
        )
    in_force = paired_policy(store, model, alias, digest)
    own = None if in_force is None else load_policy(store, model, in_force)
    return digest, OnnxScorer(bundle.model, bundle.signature), own


def _columns(signature: Signature) -> list[tuple[str, str, float]]:
    """What a row must look like; what is typical of a training does not belong to it."""
    return [(column.name, column.dtype, column.default) for column in signature.inputs]
