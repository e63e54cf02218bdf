import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.repository import ROOT

LOCKS = {
    "components/requirements.txt": (["training"], []),
    "components/requirements-deep.txt": (["training", "deep"], ["battery"]),
    "inference/requirements.txt": (["serving"], []),
    "tests/requirements.txt": (["training", "serving"], ["dev"]),
}
PIN = re.compile(r"^([\w.-]+)==([^ ;\\]+)(?: *; *([^\\]+?))?(?: +(?:\\|--hash=).*)?$")
# What must run on every interpreter that pyproject.toml admits.
INTERPRETERS = ("3.11", "3.12", "3.13")


def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, set[Version]]:
    """Versions of every package in a lock; a package may have one for each platform."""
    found: dict[str, set[Version]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            found.setdefault(canonicalize_name(match[1]), set()).add(Version(match[2]))
    return found


def direct(extras: list[str], groups: list[str]) -> list[Requirement]:
    """Requirements that pyproject.toml names for an environment."""
    table = project()
    texts = list(table["project"]["dependencies"])
    for extra in extras:
        texts += table["project"]["optional-dependencies"][extra]
    for group in groups:
        texts += table["dependency-groups"][group]
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_in_step_with_the_project(lock: str) -> None:
    """Each direct dependency is in the lock, in a version that the project admits."""
    pinned = pins(lock)
    for requirement in direct(*LOCKS[lock]):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not in {lock}; run make lock"
        assert all(requirement.specifier.contains(v) for v in versions), f"{lock}: {requirement}"


@pytest.mark.parametrize("lock", [*LOCKS, ".ci/bootstrap.txt"])
def test_every_package_of_a_lock_has_hashes(lock: str) -> None:
    """A lock holds nothing but pinned packages, each with at least one SHA-256."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines
    odd = [
        line[:60]
        for line in lines
        if not re.match(r"^[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]
    assert odd == []


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_no_lock_leaves_out_an_interpreter(lock: str, interpreter: str) -> None:
    """No direct dependency is limited by a marker to some of the interpreters we promise."""
    from packaging.markers import Marker

    wanted = {canonicalize_name(requirement.name) for requirement in direct(*LOCKS[lock])}
    present = set()
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            here = {"python_version": interpreter, "python_full_version": f"{interpreter}.1"}
            if match[3] is None or Marker(match[3]).evaluate({**here, "sys_platform": "linux"}):
                present.add(canonicalize_name(match[1]))
    assert wanted - present == set()


@pytest.mark.parametrize("absent", ["kfp", "lightgbm", "mlflow", "scikit-learn", "torch"])
def test_servers_carry_no_training_code(absent: str) -> None:
    """The serving environment holds no package that only training needs."""
    assert absent not in pins("inference/requirements.txt")
    assert f"{absent}-skinny" not in pins("inference/requirements.txt")


def test_development_carries_no_torch() -> None:
    """Torch, with its gigabytes, is in no environment of this machine's loop."""
    assert "torch" not in pins("tests/requirements.txt")
    assert "torch" not in pins("components/requirements.txt")


@pytest.mark.parametrize(
    ("lock", "held"),
    [
        ("inference/requirements.txt", {"feast", "kserve", "numpy", "onnxruntime"}),
        ("components/requirements-deep.txt", {"feast", "lightgbm", "numpy", "onnx", "pytest"}),
    ],
)
def test_environments_agree_on_what_they_share(lock: str, held: set[str]) -> None:
    """A package that development and another hold has one version, so tests prove both."""
    development, other = pins("tests/requirements.txt"), pins(lock)
    shared = development.keys() & other.keys()
    assert held <= shared
    differing = {p: (development[p], other[p]) for p in shared if development[p] != other[p]}
    assert differing == {}


def test_the_deep_environment_installs_no_triton() -> None:
    """Torch's compiler for GPUs, a gigabyte, is named for a platform that there is not."""
    lines = (ROOT / "components/requirements-deep.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("torch==")]
    named = [line for line in lines if line.startswith("triton==")]
    assert all("sys_platform == 'never'" in line for line in named)
