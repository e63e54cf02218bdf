import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cardfraud.adapters.bundle_cache import (
    BundleCache,
    Origin,
    cached_bundle,
    cached_object,
    cached_policy,
    cached_tracks,
)
from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.pointers import write_tracks
from cardfraud.contracts import keys
from cardfraud.contracts.policy import Policy, Thresholds
from cardfraud.contracts.tracks import Tracks
from cardfraud.errors import IntegrityError, InvalidSetting, NotFound, Unavailable
from cardfraud_pipelines.local import pick_port
from tests.support.bundles import bundle_files
from tests.support.s3_servers import S3Server, s3_server
from tests.support.stores import object_store

POLICY = Policy(thresholds=Thresholds(review=0.2, decline=0.9))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server of this module's own, which may be stopped."""
    with s3_server("versitygw", tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def store(server: S3Server) -> ObjectStore:
    """A store on that server that does not try for long."""
    return impatient(object_store(server.endpoints).settings)


@pytest.fixture
def cache(tmp_path: Path) -> BundleCache:
    """A cache in a folder that does not exist yet."""
    return BundleCache(tmp_path / "cache", keep=2)


@pytest.fixture
def silent() -> ObjectStore:
    """A store whose endpoint does not answer."""
    settings = ObjectStoreSettings(
        endpoint_url=f"http://127.0.0.1:{pick_port()}",
        access_key_id="key",
        secret_access_key=SecretStr("secret"),
    )
    return impatient(settings)


def impatient(settings: ObjectStoreSettings) -> ObjectStore:
    """Return a store that tries once."""
    return ObjectStore(settings.model_copy(update={"attempts": 1}))


def published(store: ObjectStore, model: bytes = b"graph") -> str:
    """Publish a bundle; return its digest."""
    return publish_bundle(store, bundle_files(model), "fraud", "x").bundle_digest


def copy_of(cache: BundleCache, digest: str) -> Path:
    """Where the cache has a bundle."""
    return cache.copies.path("models/fraud", digest)


def test_a_server_starts_while_the_registry_is_down(
    server: S3Server, store: ObjectStore, cache: BundleCache
) -> None:
    """What was loaded once is there, whole, after S3 is stopped; when it is back, it is asked."""
    digest, policy = published(store), publish_policy(store, "fraud", POLICY)
    store.put(keys.FEAST_REGISTRY, b"registry")
    before, origin = cached_bundle(store, "fraud", digest, cache)
    assert origin is Origin.REGISTRY
    assert cached_policy(store, "fraud", policy, cache) == (POLICY, Origin.REGISTRY)
    assert cached_object(store, keys.FEAST_REGISTRY, cache, check=len)[1] is Origin.REGISTRY

    with server.stopped():
        fresh = BundleCache(cache.copies.folder)  # another process, after a restart
        assert cached_bundle(store, "fraud", digest, fresh) == (before, Origin.CACHE)
        assert cached_policy(store, "fraud", policy, fresh) == (POLICY, Origin.CACHE)
        stored, origin = cached_object(store, keys.FEAST_REGISTRY, fresh, check=len)
        assert (stored.content, origin) == (b"registry", Origin.CACHE)
    assert cached_bundle(store, "fraud", digest, fresh) == (before, Origin.REGISTRY)


def test_without_a_copy_silence_is_an_error(silent: ObjectStore, cache: BundleCache) -> None:
    """With an empty cache, or none, the error is the store's own, and the former says so, too."""
    digest = f"sha256-{'0' * 64}"
    for load in (cached_bundle, cached_policy):
        with pytest.raises(Unavailable, match=r"object store .* and the cache has no copy"):
            load(silent, "fraud", digest, cache)
        with pytest.raises(Unavailable, match="object store"):
            load(silent, "fraud", digest, None)
    for one in (cache, None):
        with pytest.raises(Unavailable, match="object store"):
            cached_object(silent, "key", one, check=len)
    assert not cache.copies.folder.exists()


@pytest.mark.parametrize("file", ["model.onnx", "signature.json", "manifest.json", "card.md"])
@pytest.mark.parametrize("damage", ["flipped", "cut off", "empty", "absent"])
def test_a_damaged_copy_is_refused_and_then_mended(
    store: ObjectStore, silent: ObjectStore, cache: BundleCache, file: str, damage: str
) -> None:
    """No damaged byte of a copy is ever served; the registry's answer puts a whole one there."""
    digest = published(store)
    cached_bundle(store, "fraud", digest, cache)
    path = copy_of(cache, digest) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "absent":
        damaged = {"flipped": bytes(content), "cut off": bytes(content[:-3]), "empty": b""}
        path.write_bytes(damaged[damage])

    with pytest.raises(Unavailable, match=f"the copy in the cache cannot be used: .*{file}"):
        cached_bundle(silent, "fraud", digest, cache)
    expected, _ = cached_bundle(store, "fraud", digest, cache)
    assert cached_bundle(silent, "fraud", digest, cache) == (expected, Origin.CACHE)


def test_another_bundles_copy_is_refused(
    store: ObjectStore, silent: ObjectStore, cache: BundleCache
) -> None:
    """A whole bundle of another digest, or of another model, is not the one that was asked for."""
    one, two = published(store, b"one"), published(store, b"two")
    cached_bundle(store, "fraud", two, cache)
    copy_of(cache, two).rename(copy_of(cache, one))
    with pytest.raises(Unavailable, match=f"cannot be used: .*{one}"):
        cached_bundle(silent, "fraud", one, cache)
    place = cache.copies.path("models/other", two)
    place.parent.mkdir()
    copy_of(cache, one).rename(place)
    with pytest.raises(Unavailable, match=r"cannot be used: .*'other'"):
        cached_bundle(silent, "other", two, cache)


def test_a_damaged_policy_or_object_is_refused(
    store: ObjectStore, silent: ObjectStore, cache: BundleCache
) -> None:
    """Their copies are verified like those of bundles."""
    digest = publish_policy(store, "fraud", POLICY)
    cached_policy(store, "fraud", digest, cache)
    path = cache.copies.path("policies/fraud", digest) / "policy.json"
    path.write_bytes(path.read_bytes().replace(b"0.9", b"0.8"))
    with pytest.raises(Unavailable, match=f"cannot be used: .*{digest}"):
        cached_policy(silent, "fraud", digest, cache)


def test_a_registry_that_answers_is_obeyed(store: ObjectStore, cache: BundleCache) -> None:
    """The cache stands in for silence only: "there is none" and changed bytes stay errors."""
    digest = published(store, b"obeyed")
    cached_bundle(store, "fraud", digest, cache)
    store.put(keys.bundle_prefix("fraud", digest) + "model.onnx", b"obeyee")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        cached_bundle(store, "fraud", digest, cache)
    store.delete(keys.bundle_prefix("fraud", digest) + "manifest.json")
    with pytest.raises(NotFound):
        cached_bundle(store, "fraud", digest, cache)


def test_a_mutable_object_comes_back_as_it_was_read_last(
    server: S3Server, store: ObjectStore, cache: BundleCache
) -> None:
    """Only the newest copy stays, of each key apart; a damaged one is refused."""
    for key, content in (("mutable", b"one"), ("mutable", b"two"), ("other", b"three")):
        store.put(key, content)
        cached_object(store, key, cache, check=len)
    copies = {path.read_bytes(): path for path in cache.copies.folder.glob("objects/*/*/object")}
    assert set(copies) == {b"two", b"three"}
    with server.stopped():
        assert cached_object(store, "mutable", cache, check=len)[0].content == b"two"
        assert cached_object(store, "other", cache, check=len)[0].content == b"three"
        copies[b"two"].write_bytes(b"twO")
        with pytest.raises(Unavailable, match="cannot be used"):
            cached_object(store, "mutable", cache, check=len)


def test_the_tracks_come_back_as_they_were_read_last(
    server: S3Server, store: ObjectStore, cache: BundleCache
) -> None:
    """A server that starts while the registry is down knows what was deployed last.

    What is no such document is an error while the registry answers, and replaces no good copy.
    """
    bundle, policy = published(store), publish_policy(store, "fraud", POLICY)
    track = {"bundle": bundle, "policy": policy, "weight": 100}
    tracks = Tracks.model_validate({"model": "fraud", "tracks": {"stable": track}})
    write_tracks(store, tracks, etag=None)
    assert cached_tracks(store, "fraud", cache) == (tracks, Origin.REGISTRY)
    with server.stopped():
        assert cached_tracks(store, "fraud", cache) == (tracks, Origin.CACHE)
    store.put(keys.tracks("fraud"), b"{}")
    with pytest.raises(IntegrityError, match=r"tracks\.json"):
        cached_tracks(store, "fraud", cache)
    with server.stopped():
        assert cached_tracks(store, "fraud", cache) == (tracks, Origin.CACHE)


def test_only_the_copies_used_last_are_kept(
    store: ObjectStore, silent: ObjectStore, cache: BundleCache
) -> None:
    """A cache for two keeps the last two; loading an old one again makes it the newest."""
    one, two, three = (published(store, model) for model in (b"one", b"two", b"three"))
    for digest in (one, two, one, three):
        cached_bundle(store, "fraud", digest, cache)
    assert cache.copies.digests("models/fraud") == [three, one]
    with pytest.raises(Unavailable, match="no copy"):
        cached_bundle(silent, "fraud", two, cache)


def test_a_copy_that_another_process_uses_is_kept(store: ObjectStore, cache: BundleCache) -> None:
    """A server's copy stays while it runs, however many others come by; then it may go."""
    used, *others = (published(store, model) for model in (b"a", b"b", b"c", b"d"))
    program = (
        "import sys; from pathlib import Path\n"
        "from cardfraud.adapters.local_copies import LocalCopies\n"
        "LocalCopies(Path(sys.argv[1])).hold('models/fraud', sys.argv[2]); print('holds')\n"
        "sys.stdin.read()"
    )
    cached_bundle(store, "fraud", used, cache)
    cache.copies.release("models/fraud")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(cache.copies.folder), used],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        for digest in others:
            cached_bundle(store, "fraud", digest, cache)
        kept = cache.copies.digests("models/fraud")
        holder.kill()
    assert kept == [others[2], others[1], used]
    cached_bundle(store, "fraud", others[2], cache)
    assert cache.copies.digests("models/fraud") == [others[2], others[1]]


def test_a_folder_that_takes_nothing_stops_nobody(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the cache cannot be written a server starts with the registry's bundle, and says so."""
    digest = published(store)
    file = tmp_path / "file"
    file.write_text("no folder")
    bundle, origin = cached_bundle(store, "fraud", digest, BundleCache(file / "cache"))
    assert (bundle.files, origin) == (bundle_files(), Origin.REGISTRY)
    assert "cache_not_refreshed" in capsys.readouterr().out


def test_a_full_disk_leaves_no_half_copy(store: ObjectStore, cache: BundleCache) -> None:
    """A process that may write 10 KB of a 20 KB bundle starts, and leaves nothing behind."""
    digest = published(store, b"x" * 20_000)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from cardfraud.adapters.bundle_cache import BundleCache, cached_bundle\n"
        "from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "cache = BundleCache(Path(sys.argv[1]))\n"
        "store = ObjectStore(ObjectStoreSettings())\n"
        "bundle, origin = cached_bundle(store, 'fraud', sys.argv[2], cache)\n"
        "print(origin, len(bundle.model))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(cache.copies.folder), digest],
        env=os.environ | environment(store),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cache_not_refreshed" in done.stdout
    assert done.stdout.endswith("registry 20000\n")
    assert list(cache.copies.folder.glob("*/*/*")) == []


def environment(store: ObjectStore) -> dict[str, str]:
    """Variables that lead a process to a store."""
    settings = store.settings
    assert settings.secret_access_key is not None
    return {
        "CARDFRAUD_S3_BUCKET": settings.bucket,
        "CARDFRAUD_S3_ENDPOINT_URL": str(settings.endpoint_url),
        "CARDFRAUD_S3_ACCESS_KEY_ID": str(settings.access_key_id),
        "CARDFRAUD_S3_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
    }


def test_what_a_killed_writer_left_is_swept(store: ObjectStore, cache: BundleCache) -> None:
    """A half-written copy is never taken for one; an old one goes, a fresh one stays."""
    digest = published(store)
    left, written = (cache.copies.folder / f"models/fraud/.partial-{name}" for name in "ab")
    for partial in (left, written):
        partial.mkdir(parents=True)
        (partial / "model.onnx").write_bytes(b"gra")
    os.utime(left, (1, 1))
    assert cache.copies.digests("models/fraud") == []
    cached_bundle(store, "fraud", digest, cache)
    assert not left.exists()
    assert written.exists()


@pytest.mark.parametrize("rubbish", ["file", "folder"])
def test_rubbish_in_the_place_of_a_copy_makes_way(
    store: ObjectStore, silent: ObjectStore, cache: BundleCache, rubbish: str
) -> None:
    """Whatever lies where a copy belongs is replaced by the copy."""
    digest = published(store)
    place = copy_of(cache, digest)
    place.parent.mkdir(parents=True)
    if rubbish == "file":
        place.write_text("rubbish")
    else:
        (place / "deep" / "er").mkdir(parents=True)
    cached_bundle(store, "fraud", digest, cache)
    assert cached_bundle(silent, "fraud", digest, cache)[1] is Origin.CACHE
    assert [entry.name for entry in place.parent.iterdir()] == [digest]


def test_many_processes_may_write_one_copy(
    store: ObjectStore, silent: ObjectStore, cache: BundleCache
) -> None:
    """Four processes that load and damage and load the same bundle end with one whole copy."""
    digest = published(store, b"shared" * 1_000)
    program = (
        "import sys; from pathlib import Path\n"
        "from cardfraud.adapters.bundle_cache import BundleCache, cached_bundle\n"
        "from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings\n"
        "cache, store = BundleCache(Path(sys.argv[1])), ObjectStore(ObjectStoreSettings())\n"
        "for _ in range(20):\n"
        "    cached_bundle(store, 'fraud', sys.argv[2], cache)\n"
        "    try:\n"
        "        (cache.copies.path('models/fraud', sys.argv[2]) / 'card.md').unlink()\n"
        "    except OSError:\n"
        "        pass\n"
        "cached_bundle(store, 'fraud', sys.argv[2], cache)\n"
    )
    command = [sys.executable, "-c", program, str(cache.copies.folder), digest]
    processes = [subprocess.Popen(command, env=os.environ | environment(store)) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    cached_bundle(store, "fraud", digest, cache)
    assert cached_bundle(silent, "fraud", digest, cache)[1] is Origin.CACHE
    assert [entry.name for entry in copy_of(cache, digest).parent.iterdir()] == [digest]


@pytest.mark.parametrize("name", ["../fraud", "a/b", ""])
def test_a_name_stays_inside_the_folder(silent: ObjectStore, cache: BundleCache, name: str) -> None:
    """Neither a model's name nor a digest leads out of the cache's folder."""
    with pytest.raises(InvalidSetting, match="model"):
        cached_bundle(silent, name, f"sha256-{'0' * 64}", cache)
    with pytest.raises(InvalidSetting, match="digest"):
        cached_bundle(silent, "fraud", f"../sha256-{'0' * 64}", cache)
