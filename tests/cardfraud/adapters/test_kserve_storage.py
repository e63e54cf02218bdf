"""Bundles as KServe's storage initializer fetches them: its own code, against each server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cardfraud.adapters.bundles import load_bundle_directory, publish_bundle
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.errors import IntegrityError
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files

DOWNLOAD = "import sys; from kserve_storage import Storage; Storage.download(*sys.argv[1:])"


def download(endpoints: Endpoints, uri: str, folder: Path) -> list[str]:
    """Fetch what a URI names, as a storage initializer does; return the files, by path."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    subprocess.run(
        [sys.executable, "-c", DOWNLOAD, uri, str(folder)],
        env=clean | endpoints.s3_environment(),
        check=True,
        capture_output=True,
        timeout=120,
    )
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_bundle_comes_through_kserves_storage_alone(
    store: ObjectStore, each_server: Endpoints, tmp_path: Path
) -> None:
    """A bundle's URI, with its closing slash, fetches that bundle and nothing of any other.

    What was fetched loads as the bundle that it is, and one changed byte of it is refused. Without
    the slash KServe would fetch its namesake, too: S3's prefixes know no boundary.
    """
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    prefix = keys.bundle_prefix("fraud", digest)
    namesake = prefix.rstrip("/") + "0/"
    for file, content in bundle_files(b"another graph").items():
        store.put(namesake + file, content)

    mounted = tmp_path / "models"
    files = download(each_server, store.uri(prefix), mounted)
    assert files == sorted([*bundle_files(), "manifest.json"])
    bundle = load_bundle_directory(mounted, model="fraud", digest=digest)
    assert bundle.files == bundle_files()

    careless = download(each_server, store.uri(prefix.rstrip("/")), tmp_path / "careless")
    assert set(careless) == set(files) | {f"0/{file}" for file in bundle_files()}

    (mounted / "model.onnx").write_bytes(b"grapH")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        load_bundle_directory(mounted, model="fraud", digest=digest)


def test_versions_are_apart_in_kserves_storage(
    store: ObjectStore, each_server: Endpoints, tmp_path: Path
) -> None:
    """The plain case of the same trap: v1/ gives v1, and v1 gives v10 as well."""
    for version in ("v1", "v10"):
        store.put(f"models/other/{version}/model.onnx", version.encode())
    uri = store.uri("models/other/v1")
    assert download(each_server, f"{uri}/", tmp_path / "one") == ["model.onnx"]
    assert (tmp_path / "one" / "model.onnx").read_bytes() == b"v1"
    assert download(each_server, uri, tmp_path / "both") == ["0/model.onnx", "model.onnx"]
