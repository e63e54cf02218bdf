import statistics
from pathlib import Path

import pytest

from tests.house.repository import ROOT, SOURCE_ROOTS, modules, name

BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "stuff", "tools", "shared"}


def line_count(path: Path) -> int:
    """Lines of a module, whatever is on them."""
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_module_is_too_long_to_read_at_once() -> None:
    """No module, and no test module, has more than 400 lines."""
    long = {
        name(path): count for path in modules(*SOURCE_ROOTS) if (count := line_count(path)) > 400
    }
    assert long == {}


@pytest.mark.parametrize("root", ["components", "pipelines", "inference"])
def test_modules_are_small(root: str) -> None:
    """The median module of a source root, ``__init__`` left out, has at most 120 lines."""
    counts = [line_count(path) for path in modules(root) if path.name != "__init__.py"]
    assert counts
    assert statistics.median(counts) <= 120


def test_names_say_what_is_inside() -> None:
    """No module or package has a name under which anything could be put."""
    found = [
        name(path)
        for path in modules(*SOURCE_ROOTS)
        if BANNED & {path.stem, *path.relative_to(ROOT).parts}
    ]
    assert found == []


def test_every_test_folder_is_a_package() -> None:
    """Each folder with tests has an ``__init__.py``, so that it hides no package of its name."""
    folders = {path.parent for path in modules("tests")}
    assert [
        name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []
