"""The unit file is what systemd understands, without a word of complaint."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rt_edge.actors.guardian import START_S

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "rt-edge.service"
SYSUSERS = ROOT / "systemd" / "rt-edge.sysusers.conf"
EXPOSURE_AT_MOST = 20
"""`systemd-analyze security` in tenths: 2.0."""

EXPECTED = {
    "Type": "notify",
    "NotifyAccess": "main",
    "KillMode": "mixed",
    "ExecStart": "/opt/rt-edge/bin/rt-edge run /etc/rt-edge/rt-edge.yaml",
    "WatchdogSec": "30",
    "Restart": "on-failure",
    "RestartPreventExitStatus": "3",
    "StateDirectory": "rt-edge",
    "User": "rt-edge",
    "SupplementaryGroups": "dialout",
    "ProtectSystem": "strict",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
}


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    """The program, from the host or `.peers/bin`; fails, never skips, when there is none."""
    for place in (shutil.which("systemd-analyze"), str(ROOT / ".peers" / "bin" / "systemd-analyze")):
        if place and Path(place).is_file():
            return place
    pytest.fail("this test needs systemd-analyze: run scripts/peers", pytrace=False)


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit, with a program where it looks for one: verify complains of a program that is not there."""
    program = tmp_path / "bin" / "rt-edge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/rt-edge/bin", str(program.parent)))
    return unit


def analyze(systemd_analyze: str, *arguments: str | Path, unit: Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze as the system's manager, or as a user's where only root could make /run/systemd."""
    may_be_system = os.geteuid() == 0 or Path("/run/systemd").is_dir()
    manager = [] if may_be_system else ["--user"]
    place = {} if may_be_system else {"XDG_RUNTIME_DIR": str(unit.parent)}
    command = [systemd_analyze, *manager, *arguments, unit]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **place})


def verify(systemd_analyze: str, unit: Path) -> str:
    """All that `systemd-analyze verify` prints (its exit code is 0 for unknown keys too)."""
    done = analyze(systemd_analyze, "verify", "--man=no", unit=unit)
    return done.stdout + done.stderr


def test_unit_verifies_in_silence_when_systemd_reads_it(systemd_analyze: str, installed_unit: Path) -> None:
    """systemd has nothing to say about the unit."""
    assert verify(systemd_analyze, installed_unit) == ""


@pytest.mark.parametrize(
    ("good", "bad"), [("Type=notify", "Type=notifyy"), ("KillMode=", "KillMod="), ("WatchdogSec=30", "WatchdogSec=soon")]
)
def test_verify_complains_when_the_unit_has_an_error(systemd_analyze: str, installed_unit: Path, good: str, bad: str) -> None:
    """An unknown key and a bad value are printed, so silence means something."""
    text = installed_unit.read_text()
    assert good in text
    installed_unit.write_text(text.replace(good, bad))
    assert verify(systemd_analyze, installed_unit) != ""


def test_unit_exposes_little_when_its_security_is_rated(systemd_analyze: str, installed_unit: Path) -> None:
    """systemd rates the exposure of the service at 2.0 of 10 or less."""
    done = analyze(
        systemd_analyze, "security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST}", "--no-pager", unit=installed_unit
    )
    assert done.returncode == 0, done.stdout.splitlines()[-1:] + done.stderr.splitlines()


def test_unit_says_what_the_process_tree_needs_when_its_service_section_is_read() -> None:
    """Readiness, watchdog, order of stopping, state and user are as the daemon expects them."""
    service = UNIT.read_text().partition("[Service]")[2].partition("[Install]")[0]
    pairs = [line.split("=", 1) for line in service.splitlines() if "=" in line and not line.startswith("#")]
    keys = [key for key, _ in pairs]
    repeatable = {"DeviceAllow", "SystemCallFilter"}
    assert [key for key in set(keys) - repeatable if keys.count(key) > 1] == []
    assert {key: dict(pairs).get(key) for key in EXPECTED} == EXPECTED
    assert "ExecStartPre" not in keys  # its exit code would not prevent a restart


def test_unit_waits_longer_than_an_island_may_take_when_it_starts() -> None:
    """The node is ready when a hanging island has been given up: systemd must not give up the node before that."""
    (limit,) = (line.partition("=")[2] for line in UNIT.read_text().splitlines() if line.startswith("TimeoutStartSec="))
    assert int(limit) >= START_S + 30


def test_user_of_the_unit_is_made_when_sysusers_reads_its_file() -> None:
    """The sysusers file makes the user that the unit runs as."""
    lines = [line.split() for line in SYSUSERS.read_text().splitlines() if not line.startswith("#")]
    assert [line[:2] for line in lines] == [["u", "rt-edge"]]
