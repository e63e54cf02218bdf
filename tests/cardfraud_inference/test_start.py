"""What keeps a server from starting: it ends at once, with an error that names the part.

Starting a process costs seconds of imports, so that one test of each server does that; the others
open the server's model in this process, on the same real object store and online store.
"""

import asyncio
import dataclasses
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.contracts import keys
from cardfraud.contracts.digests import canonical_json
from cardfraud.contracts.policy import Rule
from cardfraud.errors import CardfraudError, IntegrityError, InvalidSetting, NotFound, Unavailable
from cardfraud_inference.command_line import read_command_line
from cardfraud_inference.predictor.model import FraudPredictor
from cardfraud_inference.settings import PredictorSettings, TransformerSettings
from cardfraud_inference.transformer.model import FraudTransformer
from cardfraud_pipelines.local.part import Part
from cardfraud_pipelines.local.ports import pick_port
from tests.cardfraud_inference.conftest import Serving
from tests.support import servers
from tests.support.bundles import signature
from tests.support.graphs import tiny_files, tiny_graph, tiny_policy
from tests.support.servers import LOG_KEY, SERVING_PYTHON, Address, storage_environment

QUICK = {"CARDFRAUD_S3_ATTEMPTS": "1", "CARDFRAUD_S3_CONNECT_TIMEOUT_S": "1"}
NO_DIGEST = f"sha256-{'0' * 64}"

Opened = Callable[..., None]


def ended(part: Part, *arguments: str) -> tuple[int, str]:
    """Run a server that should end by itself; return its status and what it said."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CARDFRAUD_")}
    done = subprocess.run(
        [*part.command, *arguments],
        env=clean | dict(part.env) | QUICK,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.fixture
def opened(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Open a server's model here: ``opened(kind, storage=..., **settings)``."""

    def open_model(kind: str, storage: Mapping[str, str] | None = None, **settings: object) -> None:
        for name, value in {**(storage or serving.storage), **QUICK}.items():
            monkeypatch.setenv(name, value)
        given: dict[str, object] = {"bundle": serving.bundle}
        model: FraudPredictor | FraudTransformer
        if kind == "predictor":
            model = FraudPredictor(PredictorSettings.model_validate(given | settings))
        else:
            given |= {"policy": serving.policy, "predictor_host": "127.0.0.1:1"}
            given["prediction_log_key"] = LOG_KEY
            model = FraudTransformer(TransformerSettings.model_validate(given | settings))

        async def whole() -> None:
            try:
                await model.open()
            finally:
                await model.close()

        asyncio.run(whole())

    return open_model


def test_a_predictor_that_cannot_serve_ends_and_says_why(serving: Serving) -> None:
    """One other byte in the graph: the process ends with status 1 and names the file."""
    part = servers.predictor(Address(), serving.storage, spoilt_bundle(serving))
    status, said = ended(part)
    assert status == 1
    assert "model.onnx" in said
    assert "Traceback" not in said


def test_a_transformer_that_cannot_serve_ends_and_says_why(serving: Serving) -> None:
    """Nothing listens where Redis should: status 1, the address, and no password."""
    nowhere = dataclasses.replace(serving.endpoints, redis_port=pick_port())
    project = serving.storage["CARDFRAUD_FEAST_PROJECT"]
    part = servers.transformer(
        Address(),
        storage_environment(nowhere, project),
        bundle=serving.bundle,
        policy=serving.policy,
        predictor_at=serving.predictor,
    )
    status, said = ended(part)
    assert status == 1
    assert f"online store 127.0.0.1:{nowhere.redis_port} is unavailable" in said
    assert nowhere.redis_password not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_port_that_is_taken_is_named(serving: Serving, protocol: str) -> None:
    """A predictor on the port of a running one ends, and says which address."""
    taken = getattr(serving.predictor, protocol)
    address = dataclasses.replace(Address(), **{protocol: taken})
    status, said = ended(servers.predictor(address, serving.storage, serving.bundle))
    assert status == 1
    assert f"address 127.0.0.1:{taken} is unavailable" in said


def spoilt_bundle(serving: Serving) -> str:
    """Publish a bundle and change one byte of its graph."""
    files = tiny_files() | {"card.md": b"# another\n"}
    digest = publish_bundle(serving.objects, files, "fraud", "tiny").bundle_digest
    spoilt = bytearray(tiny_graph())
    spoilt[-1] ^= 1
    serving.objects.put(keys.bundle_prefix("fraud", digest) + "model.onnx", bytes(spoilt))
    return digest


@pytest.mark.parametrize("kind", ["predictor", "transformer"])
def test_what_is_whole_can_be_opened(opened: Opened, kind: str) -> None:
    """The fixture's bundle, policy and stores pass, so that the refusals mean something."""
    opened(kind)


@pytest.mark.parametrize("kind", ["predictor", "transformer"])
def test_a_changed_file_of_the_bundle_is_refused(
    serving: Serving, opened: Opened, kind: str
) -> None:
    """Every checksum is verified by both servers."""
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        opened(kind, bundle=spoilt_bundle(serving))


@pytest.mark.parametrize("kind", ["predictor", "transformer"])
def test_a_bundle_of_other_features_is_refused(serving: Serving, opened: Opened, kind: str) -> None:
    """A bundle that was trained on another feature set is refused by both servers."""
    other = signature().model_copy(update={"feature_set_digest": "sha256:0"})
    files = tiny_files() | {"signature.json": canonical_json(other.model_dump(mode="json"))}
    digest = publish_bundle(serving.objects, files, "fraud", "tiny").bundle_digest
    with pytest.raises(IntegrityError, match="feature_set_digest"):
        opened(kind, bundle=digest)


def test_a_bundle_of_other_columns_is_refused(serving: Serving, opened: Opened) -> None:
    """The columns must be features of the feature set, whatever its digest says."""
    right = signature()
    renamed = right.inputs[0].model_copy(update={"name": "no_feature_at_all"})
    other = right.model_copy(update={"inputs": (renamed, *right.inputs[1:])})
    files = tiny_files() | {"signature.json": canonical_json(other.model_dump(mode="json"))}
    digest = publish_bundle(serving.objects, files, "fraud", "tiny").bundle_digest
    with pytest.raises(IntegrityError, match="no_feature_at_all"):
        opened("transformer", bundle=digest)


def test_a_feature_store_of_other_features_is_refused(serving: Serving, opened: Opened) -> None:
    """A project that the registry does not know is as good as another feature set."""
    storage = serving.storage | {"CARDFRAUD_FEAST_PROJECT": "somebody_elses"}
    with pytest.raises(IntegrityError, match=r"registry\.db"):
        opened("transformer", storage)


@pytest.mark.parametrize("kind", ["predictor", "transformer"])
def test_an_object_store_that_is_down_is_named(serving: Serving, opened: Opened, kind: str) -> None:
    """Nothing listens where S3 should: the error says which address."""
    url = f"http://127.0.0.1:{pick_port()}"
    with pytest.raises(Unavailable, match=f"object store {url}"):
        opened(kind, serving.storage | {"CARDFRAUD_S3_ENDPOINT_URL": url})


@pytest.mark.parametrize("setting", ["bundle", "policy"])
def test_a_digest_that_is_not_there_is_named(opened: Opened, setting: str) -> None:
    """A bundle or a policy that was never published is not found, by its digest."""
    with pytest.raises(NotFound, match=f"{setting} .*{NO_DIGEST}"):
        opened("transformer", **{setting: NO_DIGEST})


def test_a_policy_that_cannot_be_applied_is_refused(serving: Serving, opened: Opened) -> None:
    """A rule over a value that no request has could never fire."""
    fields = {"name": "by_shoes", "field": "shoe_size", "op": "gt", "value": 45}
    rule = Rule.model_validate(fields | {"decision": "review", "reason": "large feet"})
    digest = publish_policy(serving.objects, "fraud", tiny_policy(rules=(rule,)))
    with pytest.raises(InvalidSetting, match="by_shoes"):
        opened("transformer", policy=digest)


def test_a_bundle_may_come_from_a_folder(serving: Serving, opened: Opened, tmp_path: Path) -> None:
    """A mounted bundle opens without S3; another one, or a changed file in it, is refused."""
    prefix = keys.bundle_prefix("fraud", serving.bundle)
    for key in serving.objects.keys(prefix):
        (tmp_path / key.removeprefix(prefix)).write_bytes(serving.objects.get(key))
    storage = {"CARDFRAUD_S3_ENDPOINT_URL": f"http://127.0.0.1:{pick_port()}"}
    opened("predictor", storage, model_dir=tmp_path)
    with pytest.raises(IntegrityError, match="bundle_digest"):
        opened("predictor", storage, model_dir=tmp_path, bundle=NO_DIGEST)
    (tmp_path / "card.md").write_bytes(b"# changed\n")
    with pytest.raises(IntegrityError, match=r"card\.md"):
        opened("predictor", storage, model_dir=tmp_path)


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Variables with which a transformer's settings are whole."""
    for name, value in {
        "BUNDLE": NO_DIGEST,
        "POLICY": NO_DIGEST,
        "PREDICTOR_HOST": "localhost:8080",
        "PREDICTION_LOG_KEY": LOG_KEY,
    }.items():
        monkeypatch.setenv(f"CARDFRAUD_TRANSFORMER_{name}", value)
    return monkeypatch


def read(*arguments: str) -> TransformerSettings:
    """Read the settings as the process does."""
    return read_command_line(TransformerSettings, "", [], arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKERS", "2"),
        ("CLOCK", "sundial"),
        ("CURRENCY", "XAU"),
        ("PREDICTION_LOG_KEY", "tiny-secret"),
        ("PREDICTOR_TIMEOUT_S", "0"),
        ("PREDICTOR_HOST", "http://localhost"),
        ("BUNDLE", "latest"),
        ("HTTP_PORT", "70000"),
        ("PREDICTR_HOST", "a variable that means nothing"),
    ],
)
def test_a_wrong_setting_is_named(complete: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot be, and a variable that means nothing, are named; no value is shown."""
    complete.setenv(f"CARDFRAUD_TRANSFORMER_{name}", value)
    with pytest.raises(InvalidSetting) as caught:
        read()
    assert name.lower() in str(caught.value).lower()
    assert "tiny-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["BUNDLE", "POLICY", "PREDICTOR_HOST", "PREDICTION_LOG_KEY"])
def test_what_has_no_default_is_required(complete: pytest.MonkeyPatch, name: str) -> None:
    """Without it the error names the variable to set."""
    complete.delenv(f"CARDFRAUD_TRANSFORMER_{name}")
    with pytest.raises(InvalidSetting, match=rf"(?i){name}"):
        read()


def test_arguments_of_kserve_win(complete: pytest.MonkeyPatch) -> None:
    """What the controller injects is heard; ``--workers 2`` is refused, unknown flags are not."""
    complete.setenv("CARDFRAUD_TRANSFORMER_HTTP_PORT", "9000")
    given = ["--model_name", "fraud-two", "--predictor_host", "p:1", "--http_port", "8123"]
    settings = read(*given, "--workers", "1", "--enable_latency_logging", "false")
    assert settings.model_name == "fraud-two"
    assert (settings.predictor_host, settings.http_port) == ("p:1", 8123)
    assert read().http_port == 9000
    with pytest.raises(InvalidSetting, match="workers must be 1"):
        read("--workers", "2")


def test_secrets_are_not_shown(complete: pytest.MonkeyPatch) -> None:
    """Settings that are printed or logged do not give the key of the hashes away."""
    assert LOG_KEY not in repr(read())


def test_a_predictor_needs_a_bundle() -> None:
    """Neither a digest nor a folder: there is nothing to serve."""
    with pytest.raises(CardfraudError, match="bundle or model_dir"):
        read_command_line(PredictorSettings, "", [], [])


@pytest.mark.parametrize("kind", ["predictor", "transformer"])
def test_the_help_teaches(kind: str) -> None:
    """``--help`` lists every variable with its default or that it is required."""
    command = [str(SERVING_PYTHON), "-m", f"cardfraud_inference.{kind}", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    prefix = f"CARDFRAUD_{kind.upper()}_"
    for word in ("HTTP_PORT  [default: 8080]", "BUNDLE", "MODEL_NAME  [default: fraud]"):
        assert prefix + word in text
    assert "CARDFRAUD_S3_ENDPOINT_URL" in text
    if kind == "transformer":
        assert f"{prefix}PREDICTION_LOG_KEY  [required]" in text
        assert "CARDFRAUD_FEAST_REDIS_HOST" in text


def test_servers_carry_nothing_that_trains() -> None:
    """The serving environment has no torch, kfp, mlflow, polars, and the servers import none."""
    code = (
        "import cardfraud_inference.predictor.model, cardfraud_inference.transformer.model,"
        "cardfraud_inference.server, sys, importlib.util as u;"
        "names = ['torch', 'kfp', 'mlflow', 'polars', 'sklearn'];"
        "print([n for n in names if n in sys.modules or u.find_spec(n)])"
    )
    command = [str(SERVING_PYTHON), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
