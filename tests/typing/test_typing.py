"""Goal: the types of a stream are known to type checkers. Method: mypy and pyright read `right.py` and `wrong.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rt_edge.streams.dsl import stubs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHECKERS = {
    "mypy": [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"],
    "pyright": [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
}

pytestmark = pytest.mark.timeout(300)


def refused(checker: str, file: str) -> tuple[set[int], str]:
    """The lines of `file` that `checker` finds wrong, and what it said."""
    ran = subprocess.run([*CHECKERS[checker], str(HERE / file)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    return {int(n) for n in re.findall(rf"{file}:(\d+)(?::\d+)?:? (?:- )?error", ran.stdout)}, ran.stdout


@pytest.mark.parametrize("checker", CHECKERS)
def test_types_are_found_when_a_stream_is_right(checker: str) -> None:
    """Each `assert_type` holds, and nothing is refused."""
    lines, said = refused(checker, "right.py")
    assert not lines, said


@pytest.mark.parametrize("checker", CHECKERS)
def test_each_mistake_is_refused_when_a_stream_is_wrong(checker: str) -> None:
    """The lines marked `# wrong` are refused, and no other."""
    text = (HERE / "wrong.py").read_text(encoding="utf-8").splitlines()
    wrong = {number for number, line in enumerate(text, 1) if line.endswith("# wrong")}
    lines, said = refused(checker, "wrong.py")
    assert lines == wrong, said
    assert len(wrong) > 10


def test_stub_is_up_to_date_when_it_is_made_anew() -> None:
    """The stub says what the signatures say."""
    same = stubs.stub() == stubs.STUB.read_text(encoding="utf-8")
    assert same, "run `python -m rt_edge.streams.dsl.stubs`"
