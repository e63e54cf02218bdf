"""A model bundle: an immutable set of files, named by its content.

::

    models/fraud/sha256-<bundle digest>/
        model.onnx        the graph, preprocessing inside; further formats may stand beside it
        signature.json    inputs (names, order, dtypes, defaults), output, digest of the feature set
        metrics.json      what the evaluation measured, and the gate's verdict
        lineage.json      data, code, locks, parameters, seeds, environment
        card.md           the same for a person
        manifest.json     written last: sha256 and size of every other file, and the digests

``model_digest`` is over the model files and the signature: two bundles with the same one decide
alike. ``bundle_digest`` is over the rest of the manifest, and with it over all files, so that no
byte of a bundle can change unnoticed. No digested file holds a wall-clock time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from cardfraud.contracts.digests import canonical_json, content_address, sha256_hex
from cardfraud.contracts.frozen import Frozen
from cardfraud.errors import IntegrityError

BUNDLE_SCHEMA_VERSION: Final = 1
MODEL_FILE: Final = "model.onnx"
SIGNATURE_FILE: Final = "signature.json"
METRICS_FILE: Final = "metrics.json"
LINEAGE_FILE: Final = "lineage.json"
CARD_FILE: Final = "card.md"
MANIFEST_FILE: Final = "manifest.json"
REQUIRED_FILES: Final = (MODEL_FILE, SIGNATURE_FILE, METRICS_FILE, LINEAGE_FILE, CARD_FILE)

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Digest = Annotated[str, Field(pattern=r"^sha256-[0-9a-f]{64}$")]


class InputColumn(Frozen):
    """One column of the model's input."""

    name: str
    dtype: Literal["float32"] = "float32"
    default: float
    """What stands for a value that is missing."""
    typical: float | None = None
    """Median among the legitimate training rows: what an ordinary transaction has. Contributions to
    a decision are measured against it; None in bundles that know none."""


class Signature(Frozen):
    """What goes into the model and what comes out.

    The graph has one input ``features``, float32 [N, len(inputs)], and one output
    ``probability``, float32 [N], the probability of fraud.
    """

    schema_version: Literal[1] = BUNDLE_SCHEMA_VERSION
    feature_set_digest: str
    inputs: tuple[InputColumn, ...]
    input_name: Literal["features"] = "features"
    output_name: Literal["probability"] = "probability"


class FileEntry(Frozen):
    """One file of a bundle."""

    sha256: Hex
    size: Annotated[int, Field(ge=1)]


class Manifest(Frozen):
    """The list of a bundle's files with their digests; written after all of them."""

    schema_version: Literal[1] = BUNDLE_SCHEMA_VERSION
    name: str
    algorithm: str
    """Name of the estimator, for a person."""
    files: Mapping[str, FileEntry]
    model_digest: Digest
    bundle_digest: Digest


def make_manifest(name: str, algorithm: str, files: Mapping[str, bytes]) -> Manifest:
    """Digest the files of a new bundle.

    Args:
        name: name of the model, such as ``fraud``.
        algorithm: name of the estimator.
        files: content by file name; every required file, none called ``manifest.json``.

    Raises:
        IntegrityError: a required file is absent.
    """
    for required in REQUIRED_FILES:
        if not files.get(required):
            raise IntegrityError(f"bundle {name}", required, "absent or empty")
    entries = {
        file: FileEntry(sha256=sha256_hex(content), size=len(content))
        for file, content in sorted(files.items())
    }
    manifest = Manifest(
        name=name,
        algorithm=algorithm,
        files=entries,
        model_digest=_model_digest(entries),
        bundle_digest=content_address(b""),
    )
    return manifest.model_copy(update={"bundle_digest": _bundle_digest(manifest)})


def verify_manifest(manifest: Manifest) -> None:
    """Check a manifest against itself, before any of its promises is believed.

    Raises:
        IntegrityError: a digest does not follow from the rest.
    """
    for computed, promised in (
        (_model_digest(manifest.files), manifest.model_digest),
        (_bundle_digest(manifest), manifest.bundle_digest),
    ):
        if computed != promised:
            raise IntegrityError(MANIFEST_FILE, promised, computed, hint="the object was changed")


def verify_files(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Check a manifest against itself, and every file of a bundle against the manifest.

    Raises:
        IntegrityError: a file is absent, superfluous or changed, or a digest does not follow.
    """
    verify_manifest(manifest)
    if set(files) != set(manifest.files):
        raise IntegrityError("bundle files", str(sorted(manifest.files)), str(sorted(files)))
    for file, entry in manifest.files.items():
        actual = sha256_hex(files[file])
        if actual != entry.sha256:
            raise IntegrityError(file, entry.sha256, actual, hint="the object was changed")


def _model_digest(entries: Mapping[str, FileEntry]) -> str:
    document: dict[str, Any] = {
        file: entry.sha256
        for file, entry in entries.items()
        if file.startswith("model.") or file == SIGNATURE_FILE
    }
    return content_address(canonical_json(document))


def _bundle_digest(manifest: Manifest) -> str:
    document = manifest.model_dump(mode="json", exclude={"bundle_digest"})
    return content_address(canonical_json(document))
