import re

from tests.house.repository import files, name

# Written in pieces, a blank for a dot, so that this file does not hold what it forbids.
_IN_PIECES = (
    "pypi org",
    "python~hosted org",
    "proxy golang org",
    "sum golang org",
    "registry npmjs org",
    "repo1 maven org",
    "crates io",
    "conda anaconda org",
)
REGISTRIES = tuple(host.replace("~", "").replace(" ", ".") for host in _IN_PIECES)
HOSTS = re.compile("|".join(re.escape(host) for host in REGISTRIES))
MACHINE_PATH = re.compile(r"(?<![\w.}/*-])/(?:work|root|tmp|opt|home)/" + r"\w")
BINARY = {".png", ".parquet", ".onnx", ".ico"}


def occurrences(pattern: re.Pattern[str]) -> list[str]:
    """``path:line`` of every match in the text files of the repository."""
    found = []
    for path in files():
        if path.suffix in BINARY:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{name(path)}:{number}")
    return found


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's setting, never the project's."""
    assert occurrences(HOSTS) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """Nothing points outside the repository at a place that only one machine has."""
    assert occurrences(MACHINE_PATH) == []


def test_the_patterns_find_what_they_forbid() -> None:
    """A registry's host and a home folder are found in a line, an S3 key and a URL are not."""
    assert all(HOSTS.search(f"https://{host}/simple") for host in REGISTRIES)
    assert MACHINE_PATH.search('open("/' + 'home/ann/x")')
    assert not MACHINE_PATH.search("s3://bucket/" + "root/x")
