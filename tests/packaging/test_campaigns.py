"""The campaigns of scripts/packaging, as far as they can be looked at without root: they start, and take what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "scripts" / "packaging"


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/packaging/_campaign.py."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "_campaign", raising=False)
    import _campaign

    monkeypatch.delitem(sys.modules, "_campaign")
    return _campaign


@pytest.mark.parametrize("name", ["ble-vm", "image", "serial-vm", "unit"])
def test_help_says_what_must_be_seen_when_asked(name: str) -> None:
    """Each campaign starts without root for --help, says what it is about, and refuses what it does not know."""
    done = subprocess.run([FOLDER / name, "--help"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "What must be seen" in done.stdout
    wrong = subprocess.run([FOLDER / name, "--nonsense"], capture_output=True, text=True, timeout=30, check=False)
    assert wrong.returncode == 2


def test_a_campaign_leaves_nothing_and_fails_when_a_step_fails(campaign, monkeypatch, tmp_path, capsys) -> None:
    """The first failed step ends it, what was done is undone in reverse order, the folder is gone, the exit code is 1."""
    monkeypatch.setattr(sys, "argv", ["unit"])
    monkeypatch.setattr(campaign.os, "geteuid", lambda: 0)
    monkeypatch.setattr(campaign.signal, "signal", lambda *_: None)
    monkeypatch.setattr(campaign.tempfile, "mkdtemp", lambda **_: str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    undone: list[int] = []

    def body(c) -> None:
        c.after.callback(undone.append, 1)
        c.after.callback(undone.append, 2)
        with c.step("first"):
            c.saw(c.run("echo", "well").strip())
        with c.step("second"):
            c.run("sh", "-c", "echo why >&2; exit 3")
        with c.step("third"):
            undone.append(0)

    assert campaign.Campaign("unit", 60).main(body) == 1
    out = capsys.readouterr().out
    assert "first: well" in out
    assert "FAILED  second: exit code 3" in out
    assert "why" in out
    assert "third" not in out
    assert undone == [2, 1]
    assert not (tmp_path / "run").exists()


def test_a_command_and_its_children_end_when_they_take_too_long(campaign, tmp_path) -> None:
    """The limit holds for the whole group."""
    c = campaign.Campaign("unit", 60)
    c._log = tmp_path / "log"
    with pytest.raises(campaign.CampaignError, match=r"longer than 0\.5 s"):
        c.run("sh", "-c", f"echo $$ > {tmp_path}/pid; sleep 60; true", seconds=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_pip_hears_the_environment_and_no_more_when_it_runs_in_a_container(campaign, monkeypatch) -> None:
    """Settings of the index and the certificates pass; what only this machine can open does not, nor anything else."""
    for name in (*campaign.PIP_SETTINGS, *campaign.PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CERT", "/etc/ca.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///opt/wheels")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ca.pem")
    assert campaign.pip_environment() == {"PIP_CERT": "/etc/ca.pem", "PIP_INDEX_URL": "https://index.example/simple"}


def test_the_sources_of_the_wheel_are_copied_when_a_campaign_builds(campaign, tmp_path) -> None:
    """What is copied is enough to build the wheel of."""
    campaign.copy_sources(tmp_path / "src")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "out"]
    done = subprocess.run(command, cwd=tmp_path / "src", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_steps_and_parts_are_said_when_the_ble_machine_is_run_dry() -> None:
    """Without root: what runs inside compiles, the libraries are those of the adapter, and nothing is made."""
    before = set(Path("/var/tmp").glob("rt-edge-*"))
    done = subprocess.run([FOLDER / "ble-vm", "--dry-run"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("the emulator and the kernel", "Debian with bluetoothd", "bleak", "bumble==", "debootstrap"):
        assert word in done.stdout
    assert "thespian" not in done.stdout
    assert set(Path("/var/tmp").glob("rt-edge-*")) <= before


def test_steps_and_parts_are_said_when_the_serial_machine_is_run_dry() -> None:
    """Without root: what runs inside compiles, a whole node's libraries are there, and nothing is made."""
    before = set(Path("/var/tmp").glob("rt-edge-*"))
    done = subprocess.run([FOLDER / "serial-vm", "--dry-run"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("Debian with udev", "a cable that is pulled", "typer", "pyserial", "debootstrap"):
        assert word in done.stdout
    assert set(Path("/var/tmp").glob("rt-edge-*")) <= before


def test_verdict_is_read_from_a_console_when_a_machine_has_said_it(monkeypatch) -> None:
    """Only lines that are steps count; a machine that ends without a verdict has not passed."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "_campaign", raising=False)
    import _vm

    said = (
        "[    1.0] Linux\r\n\x1b[0mok connect (2.0 s): 12.3\r\nokay\r\nFAILED notify: TimeoutError\r\nverdict: 1 of 2 steps\r\n"
    )
    assert _vm.read_verdict(said) == (["ok connect (2.0 s): 12.3"], ["FAILED notify: TimeoutError"], 2)
    assert _vm.read_verdict("ok connect\nKernel panic") == (["ok connect"], [], 0)
    for name in ("_campaign", "_vm", "_apt"):
        monkeypatch.delitem(sys.modules, name, raising=False)
