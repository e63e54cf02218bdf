"""Where a model comes from: revision of the code, lock of the environment, platform, libraries."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cardfraud
from cardfraud.contracts.digests import sha256_hex

UNKNOWN: Final = "unknown"
_LIBRARIES: Final = (
    "feast",
    "lightgbm",
    "numpy",
    "onnx",
    "onnxmltools",
    "onnxruntime",
    "polars",
    "scikit-learn",
    "skl2onnx",
    "torch",
)
_PACKAGE: Final = Path(cardfraud.__file__).parent


def code_revision() -> str:
    """Return the commit of the code, with ``-dirty`` where files differ from it.

    ``CARDFRAUD_CODE_REVISION`` counts first, because an image has no repository. A repository
    counts only if it holds this very package, not if the package is merely installed inside one.
    """
    named = os.environ.get("CARDFRAUD_CODE_REVISION")
    if named:
        return named
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return UNKNOWN
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return UNKNOWN
    return f"{commit}-dirty" if _git("status", "--porcelain", "-uno", ".") else commit


def lock_digest() -> str:
    """Return the SHA-256 of the lock that the environment was installed from.

    It lies beside the package in a checkout, a lock of its own for the environment that has torch;
    an image names its digest in ``CARDFRAUD_LOCK_DIGEST``.
    """
    named = os.environ.get("CARDFRAUD_LOCK_DIGEST")
    if named:
        return named
    deep = find_spec("torch") is not None
    lock = _PACKAGE.parent / ("requirements-deep.txt" if deep else "requirements.txt")
    return sha256_hex(lock.read_bytes()) if lock.is_file() else UNKNOWN


def environment() -> dict[str, object]:
    """Return the interpreter, the machine and the versions of the libraries that matter.

    The kind of processor is among them: numerical libraries choose their kernels by it, and the
    last bits of a sum follow.
    """
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "absent"
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "processor": processor(),
        "libraries": versions,
        "image_digest": os.environ.get("CARDFRAUD_IMAGE_DIGEST", UNKNOWN),
    }


def processor() -> str:
    """Return the processor's model, as Linux names it, or what Python knows of it elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (models[0] if models else platform.processor()) or UNKNOWN


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 (whichever git the user has)
            cwd=_PACKAGE,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
