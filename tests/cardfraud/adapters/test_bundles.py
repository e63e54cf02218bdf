from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cardfraud.adapters.bundles import (
    load_bundle,
    load_bundle_directory,
    load_policy,
    publish_bundle,
    publish_policy,
)
from cardfraud.adapters.documents import encode
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import _bundle_digest, _model_digest, make_manifest
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.policy import Policy, Thresholds
from cardfraud.errors import CardfraudError, IntegrityError, InvalidSetting, NotFound, Unavailable
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import bundle_files
from tests.support.stores import object_store

POLICY = Policy(thresholds=Thresholds(review=0.2, decline=0.9))


class Killed(BaseException):
    """Stands for the end of the process: no handler of the library sees it."""


class DyingStore(ObjectStore):
    """A store whose process is killed after some writes."""

    def __init__(self, other: ObjectStore, writes: int) -> None:
        super().__init__(other.settings)
        self._left = writes

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write, or die when the writes are used up."""
        if not self._left:
            raise Killed
        self._left -= 1
        return super().put_if_absent(key, content)


def test_a_published_bundle_comes_back_byte_for_byte(store: ObjectStore) -> None:
    """What is loaded is what was published, with its signature parsed."""
    files = bundle_files()
    manifest = publish_bundle(store, files, "fraud", "random_forest")
    bundle = load_bundle(store, "fraud", manifest.bundle_digest)
    assert bundle.files == files
    assert bundle.manifest == manifest
    assert bundle.model == b"graph"
    assert bundle.signature.inputs[0].name == "total_transactions"


def test_publishing_the_same_bytes_again_changes_nothing(store: ObjectStore) -> None:
    """A second publication has the same digest and rewrites no object."""
    first = publish_bundle(store, bundle_files(), "fraud", "random_forest")
    prefix = keys.bundle_prefix("fraud", first.bundle_digest)
    before = {key: store.get_tagged(key) for key in store.keys(prefix)}
    assert publish_bundle(store, bundle_files(), "fraud", "random_forest") == first
    assert {key: store.get_tagged(key) for key in store.keys(prefix)} == before
    assert len(before) == 6


def test_many_publishers_at_once_all_succeed(each_server: Endpoints) -> None:
    """Publishers of the same files who start together all get the same loadable bundle."""
    with ThreadPoolExecutor(8) as pool:
        manifests = list(
            pool.map(
                lambda _: publish_bundle(object_store(each_server), bundle_files(), "fraud", "x"),
                range(8),
            )
        )
    digests = {manifest.bundle_digest for manifest in manifests}
    assert len(digests) == 1
    assert load_bundle(object_store(each_server), "fraud", digests.pop()).files == bundle_files()


@pytest.mark.parametrize("writes", range(6))
def test_a_bundle_whose_publisher_was_killed_cannot_be_loaded(
    store: ObjectStore, writes: int
) -> None:
    """A publisher killed after any number of writes leaves nothing loadable; a rerun mends it."""
    digest = make_manifest("fraud", "x", bundle_files()).bundle_digest
    with pytest.raises(Killed):
        publish_bundle(DyingStore(store, writes), bundle_files(), "fraud", "x")
    with pytest.raises(NotFound, match="did not finish"):
        load_bundle(store, "fraud", digest)
    publish_bundle(store, bundle_files(), "fraud", "x")
    assert load_bundle(store, "fraud", digest).digest == digest


@pytest.mark.parametrize("file", [*bundle_files()])
@pytest.mark.parametrize("damage", ["flipped", "cut off", "empty"])
def test_changed_bytes_are_refused(store: ObjectStore, file: str, damage: str) -> None:
    """One other bit, or an object cut off: the error names the file, what was promised and what is.

    Such a bundle can neither be loaded nor published over.
    """
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    whole = bundle_files()[file]
    content = {
        "flipped": bytes([whole[0] ^ 1]) + whole[1:],
        "cut off": whole[:-1],
        "empty": b"",
    }[damage]
    store.put(keys.bundle_prefix("fraud", digest) + file, content)
    with pytest.raises(IntegrityError) as caught:
        load_bundle(store, "fraud", digest)
    error = caught.value
    assert (error.name, error.expected, error.actual) == (
        file,
        sha256_hex(whole),
        sha256_hex(content),
    )
    assert file in str(error)
    assert sha256_hex(whole) in str(error)
    assert sha256_hex(content) in str(error)
    with pytest.raises(IntegrityError, match=file):
        publish_bundle(store, bundle_files(), "fraud", "x")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"algorithm":"x"', '"algorithm":"y"'),
        ('"size":5', '"size":6'),
        ('"sha256":"44', '"sha256":"45'),
        ('"model_digest":"sha256-', '"model_digest":"sha257-'),
        ("}", ""),
        ("{", "not JSON"),
    ],
)
def test_a_changed_manifest_is_refused(store: ObjectStore, old: str, new: str) -> None:
    """Whatever changed in the manifest, the error names it, and not the file it lies about."""
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    key = keys.bundle_prefix("fraud", digest) + "manifest.json"
    text = store.get(key).decode()
    assert old in text
    store.put(key, text.replace(old, new, 1).encode())
    with pytest.raises(IntegrityError, match=r"^'?manifest\.json"):
        load_bundle(store, "fraud", digest)


@pytest.mark.parametrize("file", [*bundle_files()])
def test_a_missing_file_is_refused(store: ObjectStore, file: str) -> None:
    """A file that the manifest names and that is gone is an integrity error with its name."""
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    store.delete(keys.bundle_prefix("fraud", digest) + file)
    with pytest.raises(IntegrityError, match=f"'{file}': expected 'a file of the bundle'"):
        load_bundle(store, "fraud", digest)


def test_a_file_too_many_is_refused(store: ObjectStore) -> None:
    """A manifest that was made to name one more file is refused, whether that is there or not."""
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    prefix = keys.bundle_prefix("fraud", digest)
    forged = make_manifest("fraud", "x", {**bundle_files(), "model.pt": b"another"})
    store.put(prefix + "model.pt", b"another")
    store.put(prefix + "manifest.json", forged.model_dump_json().encode())
    with pytest.raises(IntegrityError, match="bundle_digest") as caught:
        load_bundle(store, "fraud", digest)
    assert (caught.value.expected, caught.value.actual) == (digest, forged.bundle_digest)
    store.delete(prefix + "model.pt")
    kept = forged.model_copy(update={"bundle_digest": digest})
    store.put(prefix + "manifest.json", kept.model_dump_json().encode())
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        load_bundle(store, "fraud", digest)


def test_another_bundles_manifest_is_refused(store: ObjectStore) -> None:
    """A whole valid bundle under the wrong digest is not the one that was asked for."""
    one = publish_bundle(store, bundle_files(b"one"), "fraud", "x").bundle_digest
    two = publish_bundle(store, bundle_files(b"two"), "fraud", "x").bundle_digest
    for file in (*bundle_files(), "manifest.json"):
        content = store.get(keys.bundle_prefix("fraud", two) + file)
        store.put(keys.bundle_prefix("fraud", one) + file, content)
    with pytest.raises(IntegrityError, match="bundle_digest"):
        load_bundle(store, "fraud", one)


def test_a_key_that_continues_the_prefix_is_not_taken_in(store: ObjectStore) -> None:
    """Objects whose key only begins like the bundle's (v1 and v10) do not disturb it."""
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    store.put(f"models/fraud/{digest}0/model.onnx", b"another version")
    store.put(f"models/fraud/{digest}/notes.txt", b"left by a person")
    assert load_bundle(store, "fraud", digest).files == bundle_files()


@pytest.mark.parametrize("digest", ["", "v1", "sha256-" + "0" * 63, "../sha256-" + "0" * 64])
def test_what_is_no_digest_is_refused_before_any_request(store: ObjectStore, digest: str) -> None:
    """Only a whole content address is looked for in the store."""
    with pytest.raises(InvalidSetting, match="digest"):
        load_bundle(store, "fraud", digest)


@pytest.mark.parametrize("file", ["../escape", "a/b", "manifest.json", ".hidden"])
def test_a_file_name_that_leaves_the_bundle_is_refused(store: ObjectStore, file: str) -> None:
    """File names are plain: nothing is written outside the bundle's own prefix."""
    with pytest.raises(InvalidSetting, match="files"):
        publish_bundle(store, {**bundle_files(), file: b"x"}, "fraud", "x")
    assert list(store.keys("")) == []


@pytest.mark.parametrize("file", ["../outside", "a/../../outside", "/outside", ".hidden"])
def test_a_manifest_that_names_a_file_outside_is_refused(
    store: ObjectStore, tmp_path: Path, file: str
) -> None:
    """Although the file is there and its digest right, it is not read: not from either place."""
    content = b"secret"
    manifest = make_manifest("fraud", "x", {**bundle_files(), file: content})
    folder = _folder(tmp_path / "a" / "bundle")
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    prefix = keys.bundle_prefix("fraud", manifest.bundle_digest)
    for name, text in bundle_files().items():
        store.put(prefix + name, text)
    store.put(prefix + "manifest.json", manifest.model_dump_json().encode())
    (folder / "a").mkdir()
    for target in (folder / "../outside", folder / ".hidden"):
        target.write_bytes(content)
    with pytest.raises(IntegrityError, match="plain file names"):
        load_bundle_directory(folder)
    with pytest.raises(IntegrityError, match="plain file names"):
        load_bundle(store, "fraud", manifest.bundle_digest)


def test_a_bundle_without_a_required_file_is_not_published(store: ObjectStore) -> None:
    """An incomplete set of files is refused before the first write."""
    files = bundle_files()
    del files["lineage.json"]
    with pytest.raises(IntegrityError, match="lineage"):
        publish_bundle(store, files, "fraud", "x")
    assert list(store.keys("")) == []


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in bundle_files().items():
        (path / name).write_bytes(content)
    manifest = make_manifest("fraud", "x", bundle_files())
    (path / "manifest.json").write_text(manifest.model_dump_json())
    return path


def test_a_mounted_folder_is_verified_like_the_store(tmp_path: Path) -> None:
    """A folder gives the same bundle, another digest than promised is refused."""
    folder = _folder(tmp_path)
    bundle = load_bundle_directory(folder)
    assert load_bundle_directory(folder, digest=bundle.digest).files == bundle_files()
    with pytest.raises(IntegrityError, match="bundle_digest"):
        load_bundle_directory(folder, digest="sha256-" + "0" * 64)


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    """A changed model, a broken manifest and an empty folder each say what is wrong."""
    folder = _folder(tmp_path)
    (folder / "model.onnx").write_bytes(b"graps")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        load_bundle_directory(folder)
    (folder / "manifest.json").write_text('{"name": "fraud"}')
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        load_bundle_directory(folder)
    with pytest.raises(NotFound, match=r"manifest\.json"):
        load_bundle_directory(folder / "empty")


def test_a_folder_that_cannot_be_read_is_an_outage(tmp_path: Path) -> None:
    """Where a file should be there is a folder: the error names it, and is no stack of Python's."""
    folder = _folder(tmp_path)
    (folder / "card.md").unlink()
    (folder / "card.md").mkdir()
    with pytest.raises(Unavailable, match=r"card\.md"):
        load_bundle_directory(folder)


def test_a_policy_comes_back_and_a_changed_one_is_refused(store: ObjectStore) -> None:
    """A policy is loaded under its digest only while its bytes are those it names."""
    digest = publish_policy(store, "fraud", POLICY)
    assert publish_policy(store, "fraud", POLICY) == digest
    assert load_policy(store, "fraud", digest) == POLICY
    changed = Policy(thresholds=Thresholds(review=0.1, decline=0.9))
    store.put(keys.policy("fraud", digest), changed.encode())
    with pytest.raises(IntegrityError, match=r"policy\.json"):
        load_policy(store, "fraud", digest)


def test_a_store_that_is_down_is_said_to_be_down(each_server: Endpoints) -> None:
    """Nobody listening gives a retryable error with a hint, not a stack of the client."""
    settings = object_store(each_server).settings.model_copy(
        update={"endpoint_url": "http://127.0.0.1:9", "attempts": 1}
    )
    with pytest.raises(CardfraudError, match="is the endpoint up") as caught:
        load_bundle(ObjectStore(settings), "fraud", "sha256-" + "0" * 64)
    assert caught.value.retryable


def test_a_bundle_of_another_model_is_refused(store: ObjectStore) -> None:
    """Its bytes are whole and its digest is right, but it was published under another name."""
    digest = publish_bundle(store, bundle_files(), "fraud", "x").bundle_digest
    for key in list(store.keys(keys.bundle_prefix("fraud", digest))):
        file = key.rpartition("/")[2]
        store.put(keys.bundle_prefix("other", digest) + file, store.get(key))
    with pytest.raises(IntegrityError, match=r"manifest\.json: name.*other.*fraud"):
        load_bundle(store, "other", digest)


@pytest.mark.parametrize("file", ["model.onnx", "signature.json"])
def test_a_whole_bundle_without_what_serving_needs_is_refused(tmp_path: Path, file: str) -> None:
    """A manifest may be right in itself and name no graph, or no signature."""
    whole = make_manifest("fraud", "x", bundle_files())
    entries = {name: entry for name, entry in whole.files.items() if name != file}
    lacking = whole.model_copy(update={"files": entries, "model_digest": _model_digest(entries)})
    lacking = lacking.model_copy(update={"bundle_digest": _bundle_digest(lacking)})
    for name in entries:
        (tmp_path / name).write_bytes(bundle_files()[name])
    (tmp_path / "manifest.json").write_bytes(encode(lacking))
    with pytest.raises(IntegrityError, match=f"{file}.*absent"):
        load_bundle_directory(tmp_path)
