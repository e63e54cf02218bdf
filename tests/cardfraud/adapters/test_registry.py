import os
import socket

import boto3
import pytest
from pydantic import SecretStr

from cardfraud.adapters.object_store import ObjectStoreSettings
from cardfraud.adapters.registry import TrackedRun, Tracking, TrackingSettings
from cardfraud.errors import InvalidSetting, NotFound, Unavailable
from cardfraud_pipelines.local import Endpoints
from tests.support.onnx_graphs import constant_graph
from tests.support.stores import object_store

MLFLOW_WARNS = pytest.mark.filterwarnings("ignore")
pytestmark = [pytest.mark.slow, MLFLOW_WARNS]


def _log(run: TrackedRun) -> str:
    run.parameters({"seed": 42, "calibration": {"slope": 1.5}})
    run.metrics({"average_precision": 0.75, "auc_roc": None}, prefix="test_")
    run.tags({"algorithm": "random_forest"})
    run.document("lineage.json", {"seed": 42})
    return run.onnx_model(constant_graph(columns=3), columns=3)


@pytest.fixture(scope="module")
def logged(tracking: Tracking) -> tuple[str, str]:
    """Log one run; return its identifier and its model's."""
    with tracking.run("first") as run:
        return run.run_id, _log(run)


def test_a_run_is_recorded_with_all_that_was_logged(
    tracking: Tracking, tracked: Endpoints, logged: tuple[str, str]
) -> None:
    """Parameters, metrics, tags and status can be read back; what is unknown is absent."""
    run_id, _ = logged
    with tracking._connected() as client:
        run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "42", "calibration.slope": "1.5"}
    assert run.data.metrics == {"test_average_precision": 0.75}
    assert run.data.tags["algorithm"] == "random_forest"


def test_artifacts_lie_in_the_bucket(
    tracking: Tracking, tracked: Endpoints, logged: tuple[str, str]
) -> None:
    """Documents and graphs go to the object store itself, under the experiment's own prefix."""
    run_id, model_id = logged
    there = list(object_store(tracked).keys(f"mlflow/{tracked.bucket}/"))
    assert any(run_id in key and key.endswith("lineage.json") for key in there)
    assert any(model_id in key and key.endswith("model.onnx") for key in there)


def test_the_logged_model_has_its_signature(tracking: Tracking, logged: tuple[str, str]) -> None:
    """Names, types and shapes of input and output are part of the logged model."""
    with tracking._connected():
        import mlflow

        signature = mlflow.models.get_model_info(f"models:/{logged[1]}").signature
    assert signature.inputs.to_dict()[0]["tensor-spec"] == {"dtype": "float32", "shape": (-1, 3)}
    assert signature.outputs.input_names() == ["probability"]


def test_a_run_that_breaks_is_marked_as_failed(tracking: Tracking) -> None:
    """An error inside the block comes out unchanged and leaves a failed run."""
    with pytest.raises(KeyError, match="broken"), tracking.run("failing") as run:
        raise KeyError("broken")
    with tracking._connected() as client:
        assert client.get_run(run.run_id).info.status == "FAILED"


def test_a_bundle_is_mirrored_once(tracking: Tracking, logged: tuple[str, str]) -> None:
    """The same bundle gets one version however often it is mirrored; another gets another."""
    digest = "sha256-" + "1" * 64
    first = tracking.mirror("once", logged[1], bundle_digest=digest, tags={"algorithm": "x"})
    assert tracking.mirror("once", logged[1], bundle_digest=digest, tags={}) == first
    other = tracking.mirror("once", logged[1], bundle_digest="sha256-" + "2" * 64, tags={})
    assert other != first


def test_an_alias_names_the_version_of_its_bundle(
    tracking: Tracking, logged: tuple[str, str]
) -> None:
    """The mirrored alias leads to the bundle's digest, and a missing one is not found."""
    digest = "sha256-" + "3" * 64
    with pytest.raises(NotFound, match="champion"):
        tracking.version_of("aliased", "champion")
    version = tracking.mirror("aliased", logged[1], bundle_digest=digest, tags={})
    tracking.set_alias("aliased", "champion", version)
    found = tracking.version_of("aliased", "champion")
    assert (found.version, found.bundle_digest, found.aliases) == (version, digest, ("champion",))


def test_credentials_are_in_the_environment_only_while_they_are_needed(
    tracking: Tracking, tracked: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables are set for the call and are as before after it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody-else")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with tracking._connected():
        assert os.environ["AWS_ACCESS_KEY_ID"] == tracked.s3_access_key
    assert os.environ["AWS_ACCESS_KEY_ID"] == "somebody-else"
    assert "AWS_SECRET_ACCESS_KEY" not in os.environ


def test_two_stores_of_one_process_keep_their_own_credentials() -> None:
    """Artifacts go out with the credentials of their own store, whichever store came first."""
    found = []
    for key in ("first", "second"):
        store = ObjectStoreSettings(
            endpoint_url="http://127.0.0.1:9",
            access_key_id=key,
            secret_access_key=SecretStr(f"secret of the {key}"),
        )
        with Tracking(TrackingSettings(), store)._connected():
            found.append(boto3.client("s3")._request_signer._credentials.access_key)

    assert found == ["first", "second"]


def test_a_deleted_experiment_is_named(tracking: Tracking) -> None:
    """Logging to an experiment in the bin says so instead of writing where nobody looks."""
    settings = tracking.settings.model_copy(update={"experiment": "deleted"})
    other = Tracking(settings, tracking._store)
    with other.run("first"):
        pass
    with other._connected() as client:
        found = client.get_experiment_by_name("deleted")
        assert found is not None
        client.delete_experiment(found.experiment_id)
    with pytest.raises(InvalidSetting, match="deleted"), other.run("second"):
        pass


def test_a_tracking_server_that_is_down_is_said_to_be_down(tracking: Tracking) -> None:
    """Nobody listening gives a retryable error with the address and a hint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    down = Tracking(TrackingSettings(tracking_uri=uri), tracking._store)
    with pytest.raises(Unavailable, match="CARDFRAUD_MLFLOW_TRACKING_URI") as caught:
        down.check()
    assert uri in str(caught.value)
    with pytest.raises(Unavailable), down.run("never"):
        pass


def test_a_bucket_that_refuses_is_said_to_refuse(tracking: Tracking) -> None:
    """Wrong credentials for the artifacts are an error about the artifacts, not a stack trace."""
    store = tracking._store.model_copy(update={"bucket": "nobody-made-this-bucket"})
    settings = tracking.settings.model_copy(update={"experiment": "no-bucket"})
    with (
        pytest.raises(Unavailable, match="NoSuchBucket"),
        Tracking(settings, store).run("first") as run,
    ):
        run.document("lineage.json", {})
