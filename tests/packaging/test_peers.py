"""The broker that tests get is a real one and new enough; an old or missing one is a failure with the way out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import MOSQUITTO_AT_LEAST, find_mosquitto, mosquitto_version


def broker(folder: Path, says: str) -> Path:
    """A program that says it is a mosquitto of some version."""
    program = folder / f"mosquitto-{len(list(folder.iterdir()))}"
    program.write_text(f"#!/bin/sh\necho '{says}'\nexit 3\n")
    program.chmod(0o755)
    return program


def test_broker_starts_when_the_fixture_gives_it(mosquitto_path: Path, tmp_path: Path) -> None:
    """The broker of the fixture is new enough and runs on a socket of its own."""
    version = mosquitto_version(mosquitto_path)
    assert version is not None
    assert version >= MOSQUITTO_AT_LEAST
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(f"user root\nlistener 0 {tmp_path}/socket\n")
    with subprocess.Popen([mosquitto_path, "-c", settings], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:  # ends when the broker does; the limit of the test is the deadline
            said += line
            if line.rstrip().endswith("running"):
                break
        process.kill()  # a SIGTERM right after "running" can be lost: mosquitto sets its run flag after saying so
    assert "running" in said, said


def test_old_broker_is_passed_over_when_a_newer_one_follows(tmp_path: Path) -> None:
    """The first broker that is new enough is taken, not the first broker."""
    old = broker(tmp_path, "mosquitto version 2.0.11")
    new = broker(tmp_path, "mosquitto version 2.1.0")
    assert find_mosquitto(None, [tmp_path / "none", old, new]) == (new, "")


@pytest.mark.parametrize(
    ("says", "part"),
    [("mosquitto version 2.0.11", "is 2.0.11"), ("hello", "is not a mosquitto that runs"), (None, "none was found")],
)
def test_sentence_says_what_to_run_when_no_broker_serves(tmp_path: Path, says: str | None, part: str) -> None:
    """What was found, what is needed and the command that gets it are in the sentence."""
    program, sentence = find_mosquitto(None, [broker(tmp_path, says)] if says else [])
    assert program is None
    assert part in sentence
    assert "2.0.20" in sentence
    assert sentence.endswith("run scripts/peers")


def test_only_the_named_broker_is_tried_when_the_option_names_one(tmp_path: Path) -> None:
    """`--mosquitto PATH` does not fall back to another broker."""
    new = broker(tmp_path, "mosquitto version 2.1.0")
    program, sentence = find_mosquitto(str(tmp_path / "gone"), [new])
    assert program is None
    assert "does not exist" in sentence
