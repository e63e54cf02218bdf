"""The network's part of the battery, run where torch is."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.house.repository import ROOT

PYTHON = ROOT / ".venv-deep" / "bin" / "python"
# Each of these has checks for every estimator; the last is about the network alone.
FILES = ("test_estimators", "test_inputs", "test_calibrated", "test_neural_network")


@pytest.mark.slow
def test_the_network_passes_the_battery_where_torch_is(tmp_path: Path) -> None:
    """Every check of every estimator passes for the network too, in the deep environment.

    ``make test`` sets that environment up; without it this test says that it was not run.
    """
    if not PYTHON.is_file():
        pytest.skip("no .venv-deep, so the network was not tested: .ci/environment deep sets it up")
    report = tmp_path / "deep.xml"
    done = subprocess.run(
        [
            str(PYTHON), "-m", "pytest", "tests/cardfraud/models", "-k", "neural_network",
            "-p", "no:cacheprovider", f"--junit-xml={report}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    cases = ET.parse(report).getroot().findall(".//testcase")
    assert [case.get("name") for case in cases if case.find("skipped") is not None] == []
    modules = [str(case.get("classname")).rpartition(".")[2] for case in cases]
    assert {file: modules.count(file) >= 5 for file in FILES} == dict.fromkeys(FILES, True)
