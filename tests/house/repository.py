"""The files of the repository, as the tests of the house's rules look at them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE_ROOTS = ("components", "pipelines", "inference", "tests")
NOT_OURS = {"build", "dist", "__pycache__"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that git tracks or would track; without git, every file that is not built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
        return tuple(path for path in paths if path.is_file())
    return tuple(
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not any(
            part in NOT_OURS or (part.startswith(".") and part != ".ci")
            for part in path.relative_to(ROOT).parts[:-1]
        )
    )


def modules(*roots: str) -> list[Path]:
    """Python modules below these folders of the repository."""
    folders = tuple(ROOT / root for root in roots)
    return [
        path
        for path in files()
        if path.suffix == ".py" and any(path.is_relative_to(folder) for folder in folders)
    ]


def name(path: Path) -> str:
    """Path inside the repository, for messages."""
    return str(path.relative_to(ROOT))
