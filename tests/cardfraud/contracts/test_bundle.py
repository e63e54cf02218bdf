import pytest
from pydantic import ValidationError

from cardfraud.contracts.bundle import (
    REQUIRED_FILES,
    Manifest,
    make_manifest,
    verify_files,
    verify_manifest,
)
from cardfraud.contracts.digests import canonical_json
from cardfraud.errors import IntegrityError
from tests.support.bundles import bundle_files


def manifest(files: dict[str, bytes]) -> Manifest:
    """Return the manifest of a bundle with these files."""
    return make_manifest("fraud", "logistic", files)


def test_a_whole_bundle_verifies() -> None:
    """The files that a manifest was made of verify, also after the manifest was stored."""
    files = bundle_files()
    stored = Manifest.model_validate_json(manifest(files).model_dump_json())
    verify_files(stored, files)
    assert stored == manifest(files)


@pytest.mark.parametrize("file", REQUIRED_FILES)
def test_no_bundle_without_a_required_file(file: str) -> None:
    """A bundle that lacks a required file, or has an empty one, is not made."""
    for content in (None, b""):
        files = bundle_files() | {file: content or b""}
        if content is None:
            del files[file]
        with pytest.raises(IntegrityError, match=file):
            manifest(files)


@pytest.mark.parametrize("file", REQUIRED_FILES)
def test_one_changed_bit_is_found(file: str) -> None:
    """One changed bit in any file is found, and the error names the file."""
    files = bundle_files()
    promised = manifest(files)
    first, *rest = files[file]
    with pytest.raises(IntegrityError, match=file):
        verify_files(promised, files | {file: bytes([first ^ 1, *rest])})


def test_a_file_too_many_or_too_few_is_found() -> None:
    """A file that the manifest doesn't name, or one that isn't there, is found."""
    files = bundle_files()
    promised = manifest(files)
    with pytest.raises(IntegrityError):
        verify_files(promised, files | {"extra.bin": b"x"})
    del files["card.md"]
    with pytest.raises(IntegrityError):
        verify_files(promised, files)


@pytest.mark.parametrize("digest", ["model_digest", "bundle_digest"])
def test_a_manifest_that_contradicts_itself_is_found(digest: str) -> None:
    """A digest that doesn't follow from the entries is found though every file is whole."""
    files = bundle_files()
    forged = manifest(files).model_copy(update={digest: f"sha256-{'0' * 64}"})
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        verify_files(forged, files)


def test_any_changed_bit_of_a_manifest_is_found() -> None:
    """Whichever bit of the stored manifest changes, it is no manifest, or contradicts itself."""
    stored = canonical_json(manifest(bundle_files()).model_dump(mode="json"))
    unnoticed = []
    for place in range(8 * len(stored)):
        changed = bytearray(stored)
        changed[place // 8] ^= 1 << place % 8
        try:
            verify_manifest(Manifest.model_validate_json(bytes(changed)))
        except (ValidationError, IntegrityError):
            continue
        unnoticed.append(place)
    assert unnoticed == []


def test_the_model_digest_is_of_model_and_signature_only() -> None:
    """Another card changes the bundle and not the model; another graph changes both."""
    before = manifest(bundle_files())
    card = manifest(bundle_files() | {"card.md": b"# another\n"})
    graph = manifest(bundle_files(b"another graph"))
    assert card.model_digest == before.model_digest
    assert card.bundle_digest != before.bundle_digest
    assert graph.model_digest != before.model_digest
    another_format = manifest(bundle_files() | {"model.pt": b"torch"})
    assert another_format.model_digest != before.model_digest


def test_the_order_of_files_does_not_matter() -> None:
    """The same files in another order are the same bundle."""
    files = bundle_files()
    backwards = dict(reversed(files.items()))
    assert manifest(files).bundle_digest == manifest(backwards).bundle_digest


def test_an_unknown_field_is_refused() -> None:
    """A manifest with a field that this version doesn't know is refused."""
    document = manifest(bundle_files()).model_dump(mode="json") | {"signed_by": "me"}
    with pytest.raises(ValidationError):
        Manifest.model_validate(document)
