import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from cardfraud.adapters.bundles import load_policy, publish_bundle, publish_policy
from cardfraud.adapters.candidates import candidate_key, write_candidate
from cardfraud.adapters.object_store import ObjectStore, encode_frame
from cardfraud.adapters.pointers import move_alias, read_tracks, write_tracks
from cardfraud.contracts import keys
from cardfraud.contracts.candidate import CANDIDATE_FILE, Candidate, Period
from cardfraud.contracts.policy import CostMatrix, Policy, Rule
from cardfraud.contracts.tracks import Track, Tracks
from cardfraud.evaluation.operating_point import choose_thresholds
from cardfraud.evaluation.rules import Backtest
from cardfraud.features.batch import all_values, view_frame
from cardfraud.features.definitions import STORED_VIEWS
from cardfraud.features.values import vector
from cardfraud.scoring.session import OnnxScorer
from cardfraud_pipelines.cli import app
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files, signature
from tests.support.cards import cards
from tests.support.graphs import logistic, tiny_policy
from tests.support.servers import storage_environment
from tests.support.stores import object_store
from tests.support.training import days

TABLES = cards()
VALUES = all_values(TABLES.transactions, TABLES.labels)
GRAPH = logistic({"amount_over_avg_30d": 2.0, "is_night": 0.3}, bias=-6.0)
SCORES = OnnxScorer(GRAPH, signature()).score(vector(VALUES))
FRAUD = TABLES.transactions["transaction_id"].is_in(TABLES.labels["transaction_id"].to_list())
VALIDATION, TEST = days(19, 26), days(33, 35)
RUN = "0" * 32
POLICY = tiny_policy()


def _rows_of(period: Period) -> NDArray[np.bool_]:
    day = TABLES.transactions["event_time"].dt.date()
    return ((day >= period.start) & (day < period.end)).to_numpy()


def _rows_on(number: int) -> NDArray[np.bool_]:
    """Rows of one of the test days."""
    start = TEST.start + timedelta(days=number)
    return _rows_of(Period(start=start, end=start + timedelta(days=1)))


def _candidate(store: ObjectStore, files: dict[str, bytes]) -> None:
    frame = TABLES.transactions.with_columns(is_fraud=FRAUD, score=pl.Series(SCORES))
    validation = encode_frame(frame.filter(_rows_of(VALIDATION)))
    trained = {name: files[name] for name in ("model.onnx", "signature.json", "lineage.json")}
    candidate = Candidate(
        run_id=RUN,
        tracked_model="m-1",
        model="fraud",
        algorithm="tiny",
        split="time",
        train=days(0, 12),
        validation=VALIDATION,
        test=TEST,
        validation_average_precision=0.5,
        files={},
    )
    write_candidate(store, candidate, {**trained, "validation.parquet": validation})


@pytest.fixture
def store(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A store, to which the environment leads, where a published candidate serves."""
    for name, value in storage_environment(endpoints, "none").items():
        if name.startswith("CARDFRAUD_S3_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    store, files = object_store(endpoints), bundle_files(GRAPH)
    _candidate(store, files)
    bundle = publish_bundle(store, files, "fraud", "tiny").bundle_digest
    track = Track(bundle=bundle, policy=publish_policy(store, "fraud", POLICY), weight=100)
    write_tracks(store, Tracks(model="fraud", tracks={"stable": track}), etag=None)
    return store


@pytest.fixture
def history(store: ObjectStore) -> ObjectStore:
    """The same store with transactions, labels, and the values of the test days."""
    TABLES.store(store)
    for offset in range((TEST.end - TEST.start).days):
        day, inside = TEST.start + timedelta(days=offset), _rows_on(offset)
        for view in STORED_VIEWS:
            stored = {feature.name: VALUES[feature.name][inside] for feature in view.features}
            frame = view_frame(view, stored, TABLES.transactions.filter(inside))
            store.put_frame(keys.partition(keys.values_folder(view.name), day), frame)
    return store


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, ["policy", *words])


def _write(folder: Path, policy: Policy) -> str:
    path = folder / "policy.json"
    path.write_bytes(policy.encode())
    return str(path)


def _in_use(store: ObjectStore) -> str:
    return read_tracks(store, "fraud").tracks.tracks["stable"].policy


def test_the_policy_in_use_can_be_read_and_used_again(store: ObjectStore, tmp_path: Path) -> None:
    """What ``show`` prints is a file of the very policy that is in use."""
    shown = _run("show")
    assert shown.exit_code == 0, shown.output
    assert Policy.model_validate_json(shown.stdout) == POLICY
    assert POLICY.digest in shown.stderr
    path = tmp_path / "edited.json"
    path.write_text(shown.stdout, encoding="utf-8")
    assert f"digest: {POLICY.digest}" in _run("show", str(path)).stderr
    assert Policy.model_validate_json(_run("show", POLICY.digest).stdout) == POLICY


@pytest.mark.parametrize(("review", "budget"), [(1.5, 3), (40.0, 1_000)])
def test_a_proposal_is_chosen_under_the_new_costs(
    store: ObjectStore, tmp_path: Path, review: float, budget: int
) -> None:
    """Thresholds are those of the bundle's validation rows; all else stays, nothing is applied."""
    out = tmp_path / "new" / "policy.json"
    words = ["--review-cost", str(review), "--alert-budget", str(budget)]
    words += ["--decline-precision", "0.9"]
    answer = _run("propose", *words, "--out", str(out))
    assert answer.exit_code == 0, answer.output
    costs = CostMatrix(review=review)
    inside = _rows_of(VALIDATION)
    chosen = choose_thresholds(
        FRAUD.to_numpy()[inside],
        SCORES[inside],
        TABLES.transactions["amount_minor"].to_numpy()[inside] / 100,
        days=TABLES.transactions["event_time"].dt.epoch("d").to_numpy()[inside],
        cards=TABLES.transactions["user_id"].to_numpy().astype(np.str_)[inside],
        costs=costs,
        alert_budget_per_day=budget,
        decline_precision=0.9,
    )
    changes = {"thresholds": chosen, "costs": costs, "alert_budget_per_day": budget}
    assert Policy.model_validate_json(out.read_bytes()) == POLICY.model_copy(
        update={**changes, "decline_precision": 0.9}
    )
    assert chosen != POLICY.thresholds
    assert f"cardfraud policy backtest {out}" in answer.stderr
    assert _in_use(store) == POLICY.digest
    assert "of what is declined 90% are frauds" in answer.stderr
    again = _run("propose", *words, "--out", str(out))
    assert (again.exit_code, again.stderr.startswith("error: --out: ")) == (1, True)
    assert "exists already" in again.stderr
    piped = _run("propose", *words)
    assert piped.stdout == out.read_text(encoding="utf-8")


RULES = (
    Rule.model_validate(
        {"name": "large", "field": "amount", "op": "gt", "value": 100, "decision": "review",
         "reason": "large"}
    ),
    Rule.model_validate(
        {"name": "steady", "field": "std_amount", "op": "lt", "value": 1, "decision": "decline",
         "reason": "no spread", "mode": "shadow"}
    ),
)  # fmt: skip


def test_a_backtest_scores_past_days_as_they_were(history: ObjectStore, tmp_path: Path) -> None:
    """The figures are those of the features just before each transaction and of settled labels."""
    given = _write(tmp_path, tiny_policy(rules=RULES))
    figures = tmp_path / "figures.json"
    answer = _run("backtest", given, "--json", str(figures))
    assert answer.exit_code == 0, answer.output
    result = Backtest.model_validate_json(figures.read_bytes())
    inside = _rows_of(TEST)
    fraud, scores = FRAUD.to_numpy()[inside], SCORES[inside]
    assert (result.rows, result.frauds, result.days) == (inside.sum(), fraud.sum(), 2)
    stopped = scores >= POLICY.thresholds.review
    assert result.model_alone.frauds_caught == int((stopped & fraud).sum())
    large = TABLES.transactions["amount_minor"].to_numpy()[inside] > 100 * 100
    assert result.rules[0].fires == int(large.sum())
    assert result.rules[0].marginal_frauds == int((large & fraud & ~stopped).sum())
    assert result.with_rules.frauds_caught == int(((stopped | large) & fraud).sum())
    assert f"{inside.sum():,} transactions" in answer.stdout
    assert "if shadow rules had a say" in answer.stdout


def test_a_missing_value_is_missing_in_a_backtest(history: ObjectStore, tmp_path: Path) -> None:
    """A user without a spread has none: the rule does not fire on what the model takes for it."""
    views = {feature.name: view for view in STORED_VIEWS for feature in view.features}
    key = keys.partition(keys.values_folder(views["std_amount"].name), TEST.start)
    frame = history.get_frame(key)
    spread = pl.Series([None, 0.5, *[2.0] * (len(frame) - 2)], dtype=pl.Float32)
    history.put_frame(key, frame.with_columns(std_amount=spread))
    figures = tmp_path / "figures.json"
    day = ["--from", str(TEST.start), "--to", str(TEST.start)]
    given = _write(tmp_path, tiny_policy(rules=RULES))
    answer = _run("backtest", given, *day, "--json", str(figures))
    assert answer.exit_code == 0, answer.output
    assert json.loads(figures.read_bytes())["rules"][1]["fires"] == 1


def test_only_settled_labels_count_in_a_backtest(history: ObjectStore, tmp_path: Path) -> None:
    """As seen from eight days after the first day, the second day's rows are too young."""
    figures = tmp_path / "figures.json"
    as_of = str(TEST.start + timedelta(days=8))
    answer = _run("backtest", "--as-of", as_of, "--json", str(figures))
    assert answer.exit_code == 0, answer.output
    assert json.loads(figures.read_bytes())["rows"] == _rows_on(0).sum()
    assert f"{_rows_on(1).sum()} too young" in answer.stdout


def test_a_policy_is_applied_and_taken_back(store: ObjectStore, tmp_path: Path) -> None:
    """The track decides by the file's policy; the command that is printed restores the old one."""
    other = tiny_policy(alert_budget_per_day=7)
    answer = _run("apply", _write(tmp_path, other))
    assert answer.exit_code == 0, answer.output
    assert f"before {POLICY.digest}" in answer.stdout
    assert f"after  {other.digest}" in answer.stdout
    assert _in_use(store) == other.digest
    assert load_policy(store, "fraud", other.digest) == other
    back = re.search(r"To go back: cardfraud policy (.+)", answer.stdout)
    assert back is not None
    assert _run(*shlex.split(back[1])).exit_code == 0
    assert _in_use(store) == POLICY.digest
    assert "nothing changed" in _run("apply", POLICY.digest).stdout


def test_a_proposal_keeps_the_decline_precision_of_the_policy_in_use(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Where the policy in use records none, the default is said with its option; later it stays."""
    first = _run("propose")
    assert first.exit_code == 0, first.output
    assert "of what is declined 95% are frauds" in first.stderr
    assert "--decline-precision" in first.stderr
    named = _run("propose", "--decline-precision", "0.8")
    proposal = Policy.model_validate_json(named.stdout)
    assert proposal.decline_precision == 0.8
    assert "records no such share" not in named.stderr
    assert _run("apply", _write(tmp_path, proposal)).exit_code == 0
    again = _run("propose")
    assert "of what is declined 80% are frauds" in again.stderr
    assert "records no such share" not in again.stderr
    assert Policy.model_validate_json(again.stdout) == proposal


def test_what_was_interrupted_says_what_it_completed(store: ObjectStore, tmp_path: Path) -> None:
    """The track decided already, its alias did not follow: its digests are printed."""
    other = tiny_policy(alert_budget_per_day=7)
    target = _write(tmp_path, other)
    assert _run("apply", target).exit_code == 0
    # As after a run that died before the alias moved.
    move_alias(store, "policies", "fraud", "champion", POLICY.digest, expected=other.digest)
    answer = _run("apply", target)
    assert answer.exit_code == 0, answer.output
    assert "the alias champion was left behind" in answer.stdout
    assert f"alias before {POLICY.digest}" in answer.stdout
    assert f"alias after  {other.digest}" in answer.stdout
    assert "nothing changed" in _run("apply", target).stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"{", "Invalid JSON"),
        (b'{"thresholds": {"review": 0.9, "decline": 0.2}}', "review must not lie above decline"),
        (b'{"thresholds": {"review": 2, "decline": 3}, "rule": []}', "thresholds.review"),
    ],
)
def test_what_is_no_policy_is_said(
    store: ObjectStore, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """One line names the file and each fault, and nothing is applied."""
    path = tmp_path / "wrong.json"
    if content is not None:
        path.write_bytes(content)
    for command in ("apply", "backtest", "show"):
        answer = _run(command, str(path))
        assert answer.exit_code == 1
        assert answer.stderr.startswith("error: ")
        assert said in answer.stderr
        assert "wrong.json" in answer.stderr
    assert _in_use(store) == POLICY.digest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "--track", "canary"], "there are: stable"),
        (["show", "--model", "other"], "deploy a bundle first"),
        (["apply", f"sha256-{'0' * 64}"], "not found"),
        (["propose", "--decline-precision", "2"], "decline_precision"),
        (["backtest", "--from", "2024-04-03"], "name both days"),
        (["backtest", "--from", "2024-04-03", "--to", "2024-04-02"], "lies before"),
        (["backtest"], "run the validate step first"),
    ],
)
def test_what_cannot_be_done_is_said(store: ObjectStore, words: list[str], said: str) -> None:
    """Each command says in one line what is missing."""
    answer = _run(*words)
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: ")
    assert said in answer.stderr


def test_without_its_candidate_a_bundle_cannot_be_proposed_for(store: ObjectStore) -> None:
    """Its validation rows are what thresholds are chosen on; the days of a test can be named."""
    store.delete(candidate_key(RUN, CANDIDATE_FILE))
    answer = _run("propose")
    assert answer.exit_code == 1
    assert "candidate of bundle" in answer.stderr
