"""What all tests share: where the real peers are.

A test that needs a real peer and finds none fails with a sentence that says what to run. It never skips: a skipped test
looks like a passed one.
"""

from __future__ import annotations

import gc
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A job in the background of a shell ignores SIGINT, and what it starts would too: the tests of Ctrl-C could never end.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was collected lives to the end: a search for garbage need not look at half a million objects each time (0.36 s)."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of several processes one takes all tests of whole nodes, which measure time and memory; elsewhere a file stays together."""
    from xdist.scheduler import LoadFileScheduling

    class FilesAndNodes(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/e2e" if nodeid.startswith("tests/e2e/") else super()._split_scope(nodeid)

    return FilesAndNodes(config, log)


MOSQUITTO_AT_LEAST = (2, 0, 20)
"""Older brokers send more than Receive Maximum once they have a backlog (seen with 2.0.11)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mosquitto PATH`: use this broker and look nowhere else."""
    parser.addoption("--mosquitto", metavar="PATH", help="the mosquitto to test against (default: PATH, /usr/sbin, .peers/bin)")


def find_mosquitto(named: str | None, places: list[Path]) -> tuple[Path | None, str]:
    """The first mosquitto that is new enough, or None and what is wrong, in a sentence.

    Args:
        named: the only program to look at, or None to look in `places`.
        places: programs to look at, in order; those that do not exist are passed over.
    """
    seen = []
    for program in [Path(named)] if named else places:
        if not program.is_file():
            continue
        version = mosquitto_version(program)
        if version is not None and version >= MOSQUITTO_AT_LEAST:
            return program, ""
        seen.append(f"{program} is {'.'.join(map(str, version)) if version else 'not a mosquitto that runs'}")
    wanted = ".".join(map(str, MOSQUITTO_AT_LEAST))
    found = "; ".join(seen) or (f"{named} does not exist" if named else "none was found")
    return None, f"this test needs mosquitto {wanted} or newer ({found}): run scripts/peers"


def mosquitto_version(program: Path) -> tuple[int, ...] | None:
    """What `mosquitto -h` says its version is, or None when it does not say or cannot start."""
    try:
        said = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"mosquitto version (\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in match.groups()) if match else None


@pytest.fixture(scope="session")
def mosquitto_path(pytestconfig: pytest.Config) -> Path:
    """The real broker's program: `--mosquitto`, else PATH, /usr/sbin, `.peers/bin`; fails, never skips, when there is none."""
    on_path = shutil.which("mosquitto")
    places = [Path(on_path)] if on_path else []
    places += [Path("/usr/sbin/mosquitto"), ROOT / ".peers" / "bin" / "mosquitto"]
    program, wrong = find_mosquitto(pytestconfig.getoption("--mosquitto"), places)
    if program is None:
        pytest.fail(wrong, pytrace=False)
    return program
