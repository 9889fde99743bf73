"""`rt-edge run`: what stands behind it on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_edge.cli.run import Options, _parsed, _usual

USUAL = [
    (["node.yaml"], Options(Path("node.yaml"), None)),
    (["/etc/rt-edge/rt-edge.yaml", "--data", "d"], Options(Path("/etc/rt-edge/rt-edge.yaml"), Path("d"))),
]


@pytest.mark.parametrize(("argv", "options"), USUAL)
def test_options_are_the_same_without_argparse_when_they_have_the_usual_form(argv: list[str], options: Options) -> None:
    """The short way is only there to keep argparse out of memory."""
    assert _usual(argv) == _parsed(argv) == options


@pytest.mark.parametrize("argv", [["--data", "d", "node.yaml"], ["node.yaml", "--data=d"], ["--dat", "d", "--", "node.yaml"]])
def test_argparse_reads_the_options_when_their_form_is_another(argv: list[str]) -> None:
    """Nothing that argparse takes is lost."""
    assert _usual(argv) is None
    assert _parsed(argv) == Options(Path("node.yaml"), Path("d"))


@pytest.mark.parametrize(
    "argv", [[], ["--help"], [""], ["-x"], ["a", "b"], ["node.yaml", "--data", "-x"], ["node.yaml", "--data", ""]]
)
def test_the_short_way_leaves_it_to_argparse_when_something_may_be_wrong(argv: list[str]) -> None:
    """It says what is wrong, or prints the help."""
    assert _usual(argv) is None
