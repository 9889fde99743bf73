"""The dispatcher: exit codes, one line for each failure, and what is imported for which command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rt_edge import __version__
from rt_edge.actors.errors import NoNode
from rt_edge.cli import app as module
from rt_edge.cli.app import COMMANDS, Command, main
from rt_edge.cli.errors import ExitCode, exit_code, report_error
from rt_edge.data.errors import ConfigError, RefusedError, RtEdgeError, TransientError


def test_prints_the_version_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` is the package's."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"rt-edge {__version__}\n"


def test_lists_every_command_when_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` names each command; so does no command at all."""
    for args in (["--help"], ["-h"], []):
        assert main(args) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_has_an_example_and_json_when_asked_for_the_help_of_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help has an example, and --json, but for those that print nothing for programs."""
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert "example" in out.lower()
    assert f"rt-edge {name}" in out
    assert "--json" in out or COMMANDS[name].plain


@pytest.mark.parametrize("args", [["bogus"], ["check"], ["check", "--bogus", "x"], ["--bogus"]])
def test_is_a_usage_error_when_the_arguments_are_wrong(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what is wrong on stderr."""
    assert main(args) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("no", "do"), ExitCode.CONFIGURATION, "no (do)"),
        (NoNode("not running"), ExitCode.UNREACHABLE, "not running"),
        (RefusedError("not allowed"), ExitCode.REFUSED, "not allowed"),
        (TransientError("later"), ExitCode.FAILED, "later"),
        (RtEdgeError("a\nb"), ExitCode.FAILED, "a b"),
        (FileNotFoundError(2, "No such file", "x"), ExitCode.FAILED, "x: No such file"),
        (KeyError("k"), ExitCode.FAILED, "KeyError: 'k' (a bug in rt-edge; RT_EDGE_DEBUG=1 shows where)"),
    ],
)
def test_says_one_line_when_a_command_fails(
    error: Exception, code: int, line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command raises is one line on stderr and the exit code of its family; never a traceback."""

    class _Failing:
        @staticmethod
        def main(argv: list[str]) -> int:
            raise error

    monkeypatch.setitem(COMMANDS, "fail", Command("failing", "fails", plain=True))
    monkeypatch.setattr(module.importlib, "import_module", lambda name: _Failing)
    monkeypatch.delenv("RT_EDGE_DEBUG", raising=False)
    assert main(["fail"]) == code == exit_code(error)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"rt-edge: {line}\n")


def test_shows_the_traceback_when_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    """RT_EDGE_DEBUG=1 is for us."""
    assert report_error(ValueError("x"), {"RT_EDGE_DEBUG": "1"}) == 1
    assert "ValueError: x" in capsys.readouterr().err


def test_is_quiet_when_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is no error message; the code is the shell's."""
    assert report_error(KeyboardInterrupt(), {}) == 130
    assert capsys.readouterr().err == ""


def test_gives_a_plain_command_its_arguments_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain command gets what stands behind its name, and its return value is the exit code."""
    seen: list[list[str]] = []

    class _Plain:
        @staticmethod
        def main(argv: list[str]) -> int:
            seen.append(argv)
            return 5

    monkeypatch.setitem(COMMANDS, "run-it", Command("plain", "runs", plain=True))
    monkeypatch.setattr(module.importlib, "import_module", lambda name: _Plain)
    assert main(["run-it", "a", "--b"]) == 5
    assert seen == [["a", "--b"]]


def test_imports_no_library_of_the_command_line_when_a_plain_command_runs(tmp_path: Path) -> None:
    """A long-lived process started by `rt-edge` has neither typer, rich, pydantic nor ruamel.yaml in memory."""
    (tmp_path / "plain_command.py").write_text(
        "import sys\n"
        "import msgspec\n"
        "def main(argv):\n"
        "    unwanted = {'typer', 'rich', 'pydantic', 'ruamel', 'click', 'argparse', 'typing_extensions'}\n"
        "    print(sorted({m.split('.')[0] for m in sys.modules} & unwanted))\n"
        "    return 0\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from rt_edge.cli.app import COMMANDS, Command, main\n"
        "COMMANDS['try'] = Command('plain_command', 'tries', plain=True)\n"
        "sys.exit(main(['try']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nonsense"], "rt-edge: there is no command 'nonsense' (see `rt-edge --help`)"),
        (["chekc", "x.yaml"], "rt-edge: there is no command 'chekc', did you mean 'check'? (see `rt-edge --help`)"),
        (["--colour"], "rt-edge: No such option: --colour (see `rt-edge --help`)"),
        (["check"], "rt-edge: Missing argument 'config' (see `rt-edge check --help`)"),
        (["check", "a", "b"], "rt-edge: Got unexpected extra argument"),
        (["spool", "sl"], "rt-edge: No such command 'sl'"),
        (["store", "--limit", "many", "."], "rt-edge: "),
        (["run"], "rt-edge: the following arguments are required: config (see `rt-edge run --help`)"),
        (["run", "--foo", "x.yaml"], "rt-edge: unrecognized arguments: --foo (see `rt-edge run --help`)"),
    ],
)
def test_wrong_arguments_are_one_line_when_a_command_gets_them(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No box, no paragraph: what is wrong and where help is, and exit code 2."""
    assert main(args) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(said)
    assert line.endswith("--help`)")
