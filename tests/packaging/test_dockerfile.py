"""What can be said about Dockerfile.arm64 without a container engine: it reads as one, and names what exists."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {
    "ARG",
    "FROM",
    "WORKDIR",
    "COPY",
    "RUN",
    "LABEL",
    "ENV",
    "USER",
    "VOLUME",
    "STOPSIGNAL",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "CMD",
}

Instruction = tuple[str, str]


@pytest.fixture(scope="module")
def instructions() -> list[Instruction]:
    """The instructions with their arguments, continuation lines joined, comments gone."""
    lines = [line for line in (ROOT / "Dockerfile.arm64").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def last_stage(instructions: list[Instruction]) -> list[Instruction]:
    """What the image is made of."""
    begins = max(i for i, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[begins:]


def test_every_instruction_is_known_when_the_file_is_read(instructions: list[Instruction]) -> None:
    """Only instructions that every builder knows, beginning with the base as an argument."""
    assert {word for word, _ in instructions} <= KNOWN
    assert [word for word, _ in instructions][:2] == ["ARG", "FROM"]
    assert "arm64" in instructions[0][1]


def test_sources_exist_and_are_sent_when_something_is_copied(instructions: list[Instruction]) -> None:
    """All that is copied from the context is in the repository, and .dockerignore lets it through."""
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for word, rest in instructions if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]}
    assert copied
    assert copied <= sent
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_image_runs_unprivileged_when_started(instructions: list[Instruction]) -> None:
    """The image ends as the user rt-edge, starts `rt-edge run`, asks `rt-edge status`, and keeps its state in a volume."""
    stage = dict(last_stage(instructions))
    assert stage["USER"] == "rt-edge"
    assert json.loads(stage["ENTRYPOINT"]) == ["rt-edge", "run"]
    assert json.loads(stage["CMD"]) == ["/etc/rt-edge/rt-edge.yaml"]
    assert json.loads(stage["HEALTHCHECK"].partition("CMD ")[2]) == ["rt-edge", "status"]
    assert stage["VOLUME"] == "/var/lib/rt-edge"


def test_shell_reads_each_run_line_when_parsed(instructions: list[Instruction]) -> None:
    """The commands of RUN are a shell's language."""
    for word, rest in instructions:
        if word == "RUN":
            done = subprocess.run(["sh", "-n", "-c", rest], capture_output=True, text=True, check=False)
            assert done.stderr == ""
