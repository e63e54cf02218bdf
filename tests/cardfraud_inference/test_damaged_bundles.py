"""A predictor never opens a port with a bundle of which one byte is another: real processes."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from cardfraud.adapters.bundles import publish_bundle
from cardfraud.contracts import keys
from cardfraud.contracts.digests import sha256_hex
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.test_start import ended
from tests.support import servers
from tests.support.graphs import tiny_files
from tests.support.servers import Address


@dataclass(frozen=True)
class Ending:
    """How a predictor of a damaged bundle ended.

    Attributes:
        status: of the process.
        said: what it wrote to standard error.
        promised: SHA-256 of the bytes that were published, of the ones that were damaged.
        found: SHA-256 of what was there instead.
    """

    status: int
    said: str
    promised: str
    found: str


def flipped(whole: bytes) -> bytes:
    """Change one bit of the last but one byte, which is part of a value in each file."""
    return bytes([*whole[:-2], whole[-2] ^ 1, whole[-1]])


def another_graph(manifest: bytes) -> bytes:
    """Let a manifest promise another graph: one other digit."""
    digest = sha256_hex(tiny_files()["model.onnx"]).encode()
    other = (b"0" if digest[:1] != b"0" else b"1") + digest[1:]
    assert digest in manifest
    return manifest.replace(digest, other)


def ending(serving: Serving, damage: str) -> Ending:
    """Publish a bundle, damage it, and start a predictor of it."""
    card = f"# {damage}\n".encode()
    manifest = publish_bundle(serving.objects, tiny_files() | {"card.md": card}, "fraud", "tiny")
    kind, _, file = damage.partition(" ")
    key = keys.bundle_prefix("fraud", manifest.bundle_digest) + file
    whole = serving.objects.get(key)
    if kind == "missing":
        serving.objects.delete(key)
        changed = b""
    else:
        changed = {"flipped": flipped, "forged": another_graph, "cut": _cut}[kind](whole)
        serving.objects.put(key, changed)
    part = servers.predictor(Address(), serving.storage, manifest.bundle_digest)
    status, said = ended(part)
    return Ending(status, said, sha256_hex(whole), sha256_hex(changed))


def _cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


DAMAGES = ("flipped signature.json", "cut model.onnx", "missing lineage.json")
FORGED = "forged manifest.json"


@pytest.fixture(scope="module")
def endings(serving: Serving) -> Mapping[str, Ending]:
    """How predictors of these bundles ended; two start at a time, for imports take seconds."""
    damages = (*DAMAGES, FORGED)
    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(lambda damage: ending(serving, damage), damages)
        return dict(zip(damages, ends, strict=True))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_ends_the_process_and_is_named(endings: Mapping[str, Ending], damage: str) -> None:
    """Status 1; one line says which file, what was promised and what came, if anything did."""
    end = endings[damage]
    kind, _, file = damage.partition(" ")
    assert end.status == 1
    assert file in end.said
    if kind == "missing":
        assert "absent" in end.said
    else:
        assert end.promised in end.said
        assert end.found in end.said
    assert "Traceback" not in end.said


def test_a_forged_manifest_is_named_and_not_the_file_it_lies_about(
    endings: Mapping[str, Ending],
) -> None:
    """A manifest that promises another graph ends the process, with its own two digests."""
    end = endings[FORGED]
    assert end.status == 1
    assert "manifest.json" in end.said
    assert "model.onnx" not in end.said
    assert end.said.count("sha256-") >= 2
    assert "Traceback" not in end.said
