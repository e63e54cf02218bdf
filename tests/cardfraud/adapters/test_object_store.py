import os
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from polars.testing import assert_frame_equal
from pydantic import SecretStr, ValidationError

from cardfraud.adapters.documents import put_conditional
from cardfraud.adapters.object_store import (
    ObjectStore,
    ObjectStoreSettings,
    decode_frame,
    encode_frame,
)
from cardfraud.contracts.digests import sha256_hex
from cardfraud.errors import (
    Conflict,
    InvalidFrame,
    InvalidInput,
    InvalidSetting,
    NotFound,
    Unavailable,
)
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import careless, object_store
from tests.support.transactions import transactions


@contextmanager
def closed_port() -> Iterator[int]:
    """Keep a loopback port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_what_is_put_is_got(store: ObjectStore) -> None:
    """An object's bytes come back, and a second put replaces them and the tag."""
    first = store.put("a/b.bin", b"one")
    assert store.get("a/b.bin") == b"one"
    assert store.get_tagged("a/b.bin").etag == first
    assert store.put("a/b.bin", b"two") != first
    assert store.get("a/b.bin") == b"two"


def test_an_absent_object_is_named(store: ObjectStore) -> None:
    """Reading what isn't there names the whole address; deleting it is no error."""
    assert not store.exists("a/nothing")
    with pytest.raises(NotFound, match=f"s3://{store.bucket}/a/nothing"):
        store.get("a/nothing")
    store.delete("a/nothing")


def test_an_absent_bucket_is_named(each_server: Endpoints) -> None:
    """A bucket that doesn't exist is said to be absent, and not the object in it."""
    settings = object_store(each_server).settings.model_copy(update={"bucket": "not-there"})
    store = ObjectStore(settings)
    calls = (
        lambda: store.put("a", b"x"),
        lambda: store.put_if_match("a", b"x", '"tag"'),
        lambda: store.get("a"),
        lambda: store.exists("a"),
        lambda: store.delete("a"),
        lambda: list(store.keys("a")),
    )
    for call in calls:
        with pytest.raises(NotFound, match="bucket 'not-there'"):
            call()


def test_deleted_is_gone(store: ObjectStore) -> None:
    """A deleted object doesn't exist any more."""
    store.put("a", b"x")
    assert store.exists("a")
    store.delete("a")
    assert not store.exists("a")


def test_listings_are_whole_and_in_order(store: ObjectStore) -> None:
    """A prefix lists every key below it, in order, over more than one page."""
    names = [f"many/{number:04d}" for number in range(1_005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b""), reversed(names)))
    store.put("other", b"")
    assert list(store.keys("many/")) == names
    assert list(store.keys("none/")) == []


@pytest.mark.parametrize(
    "key",
    ["ü/日本/данные.json", "emoji/😀", "a b+c%25&d=e?f#g.txt", "date=2024-03-04/x", "q'<>\"/x"],
)
def test_a_key_may_hold_any_character(store: ObjectStore, key: str) -> None:
    """Whatever a key holds, it is the same in a write, a read, a listing and a deletion."""
    store.put(key, b"x")
    assert store.get(key) == b"x"
    assert list(store.keys("")) == [key]
    assert list(store.keys(key[:-1])) == [key]
    store.delete(key)
    assert list(store.keys("")) == []


@pytest.mark.parametrize("size", [0, 1, 20_000_001])
def test_an_object_may_have_any_size(store: ObjectStore, size: int) -> None:
    """Empty or 20 MB, what comes back is what was written."""
    content = random.Random(size).randbytes(size)
    store.put_if_absent("sized", content)
    assert store.get("sized") == content


def test_a_prefix_ends_where_it_says(store: ObjectStore) -> None:
    """The listing of v1/ has nothing of v10/, while v1 without its slash would match both."""
    for version in ("v1", "v10", "v1.1"):
        store.put(f"models/{version}/model.onnx", b"")
    assert list(store.keys("models/v1/")) == ["models/v1/model.onnx"]
    assert len(list(store.keys("models/v1"))) == 3


@pytest.mark.parametrize("key", ["", "k" * 1_025])
def test_a_key_that_cannot_be_is_the_callers_fault(each_server: Endpoints, key: str) -> None:
    """An empty key or one that is too long is no outage, and no second attempt will mend it."""
    store = object_store(each_server)
    if key and each_server.s3_server == "moto":
        pytest.skip("moto's server takes keys of any length")
    with pytest.raises(InvalidInput, match=f"s3://{store.bucket}/") as caught:
        store.put(key, b"x")
    assert not caught.value.retryable


def test_only_one_of_many_writers_is_first(store: ObjectStore) -> None:
    """Of eight writers of one new key one succeeds, and the others get a conflict."""

    def write(number: int) -> bool:
        try:
            store.put_if_absent("race", str(number).encode())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert won.count(True) == 1
    assert store.get("race") == str(won.index(True)).encode()


def test_a_stale_tag_changes_nothing(store: ObjectStore) -> None:
    """A write with the tag of an earlier content is refused and changes nothing."""
    store.put("a", b"one")
    tag = store.get_tagged("a").etag
    newer = store.put_if_match("a", b"two", tag)
    with pytest.raises(Conflict):
        store.put_if_match("a", b"three", tag)
    assert store.get("a") == b"two"
    store.put_if_match("a", b"three", newer)
    assert store.get("a") == b"three"


def test_only_one_of_many_replaces_what_all_have_read(store: ObjectStore) -> None:
    """Of eight writers with the same tag one succeeds, and the others get a conflict."""
    tag = store.put("race", b"all have read this")

    def write(number: int) -> bool:
        try:
            store.put_if_match("race", str(number).encode(), tag)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))
    assert won.count(True) == 1
    assert store.get("race") == str(won.index(True)).encode()


def test_what_was_deleted_is_not_replaced(store: ObjectStore) -> None:
    """A writer whose object somebody deleted gets a conflict, and nothing comes back to life."""
    tag = store.put("a", b"one")
    store.delete("a")
    with pytest.raises(Conflict, match="deleted it first"):
        store.put_if_match("a", b"two", tag)
    with pytest.raises(Conflict):
        put_conditional(store, "a", b"two", tag)
    assert not store.exists("a")


def test_this_server_honours_conditional_writes(store: ObjectStore) -> None:
    """The probe passes on a server with conditional writes, and leaves nothing behind."""
    store.check_conditional_writes()
    assert list(store.keys("aliases/")) == []


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_careless_server_is_found_out(store: ObjectStore, header: str) -> None:
    """A server that overwrites what it was told not to is refused, and the probe is removed."""
    with pytest.raises(Unavailable, match=f"ignores {header}"):
        careless(store, header).check_conditional_writes()
    assert list(store.keys("aliases/")) == []


def test_a_frame_comes_back_as_it_was(store: ObjectStore) -> None:
    """A table comes back with its types, microseconds in UTC included; its checksum is told."""
    rows = transactions([{}, {"segment": "new"}])
    digest = store.put_frame("rows.parquet", rows)
    assert_frame_equal(store.get_frame("rows.parquet"), rows)
    assert digest == sha256_hex(store.get("rows.parquet"))


@pytest.mark.parametrize("cut", [0, 3, 200, -1])
def test_a_truncated_frame_is_named(store: ObjectStore, cut: int) -> None:
    """A Parquet object that was cut off anywhere gives an error with its key."""
    store.put("rows.parquet", encode_frame(transactions([{}] * 50))[:cut])
    with pytest.raises(InvalidFrame, match=r"rows\.parquet: cannot be read as Parquet"):
        store.get_frame("rows.parquet")


def test_a_damaged_frame_is_read_or_named() -> None:
    """Bytes changed anywhere, 600 times: a table comes out, or an error that has the key.

    Some of these damages make the decoder panic, which no ``except Exception`` would catch.
    """
    whole = encode_frame(transactions([{}] * 50))
    chance = random.Random(1)
    named: list[str] = []
    for _ in range(600):
        damaged = bytearray(whole)
        for place in chance.choices(range(len(whole)), k=chance.choice([1, 1, 2, 8])):
            damaged[place] = chance.randrange(256)
        try:
            assert decode_frame(bytes(damaged), "rows.parquet").width > 0
        except InvalidFrame as error:
            named.append(error.message)
    assert len(named) > 300
    assert {message.split(": ")[1] for message in named} == {"cannot be read as Parquet"}


def test_the_same_rows_are_the_same_bytes() -> None:
    """Encoding a table twice gives the same bytes."""
    rows = transactions([{}] * 50)
    assert encode_frame(rows) == encode_frame(rows.clone())


def test_an_endpoint_that_is_down_is_unavailable() -> None:
    """Where nothing listens every call says that the store is unavailable, and where it was."""
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        store = ObjectStore(
            ObjectStoreSettings(
                endpoint_url=url,
                access_key_id="key",
                secret_access_key=SecretStr("secret"),
                attempts=1,
            )
        )
        calls = (
            lambda: store.get("a"),
            lambda: store.put("a", b""),
            lambda: store.exists("a"),
            lambda: store.delete("a"),
            lambda: list(store.keys("a")),
        )
        for call in calls:
            with pytest.raises(Unavailable, match=url) as caught:
                call()
            assert caught.value.retryable


def test_half_an_answer_is_no_object() -> None:
    """An answer that ends before its announced length is an outage, never a shorter object."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                head = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "x"\r\n\r\n'
                connection.sendall(head.encode() + b"only half of it")

        settings = ObjectStoreSettings(
            endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}",
            access_key_id="key",
            secret_access_key=SecretStr("secret"),
            attempts=1,
        )
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(answer)
            with pytest.raises(Unavailable):
                ObjectStore(settings).get("a")
            done.result()


@pytest.mark.parametrize(
    ("given", "said"),
    [({"access_key_id": "key"}, "secret_access_key"), ({"endpoint_url": "s3"}, "endpoint: s3")],
)
def test_settings_that_cannot_be_used_are_named(given: dict[str, str], said: str) -> None:
    """One key of the two, or an endpoint that is no address, is a wrong setting and no outage."""
    with pytest.raises(InvalidSetting, match=f"CARDFRAUD_S3_.*{said}"):
        ObjectStore(ObjectStoreSettings.model_validate(given))


def test_wrong_credentials_are_told_without_the_secret(each_server: Endpoints) -> None:
    """A refused secret gives an error that says so and doesn't repeat it."""
    secret = "not-the-secret-of-anybody"
    settings = object_store(each_server).settings.model_copy(
        update={"secret_access_key": SecretStr(secret)}
    )
    if each_server.s3_server == "moto":
        pytest.skip("moto's server takes any credentials")
    with pytest.raises(Unavailable, match="refused the credentials") as caught:
        ObjectStore(settings).get("a")
    assert secret not in str(caught.value)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are read from CARDFRAUD_S3_ variables, never show the secret, and don't change."""
    monkeypatch.setenv("CARDFRAUD_S3_BUCKET", "elsewhere")
    monkeypatch.setenv("CARDFRAUD_S3_SECRET_ACCESS_KEY", "hush")
    settings = ObjectStoreSettings()
    assert settings.bucket == "elsewhere"
    assert "hush" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.bucket = "another"  # type: ignore[misc]


def test_absent_credentials_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has set nothing at all is told which variables there are, not that a server is down."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CARDFRAUD_S3_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    store = ObjectStore(ObjectStoreSettings(endpoint_url="http://127.0.0.1:9"))

    with pytest.raises(Unavailable, match="CARDFRAUD_S3_ENDPOINT_URL"):
        store.get("key")
