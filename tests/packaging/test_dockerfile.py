"""What can be said about Dockerfile.arm64 without a container engine: it reads as one, and names what exists."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from rt_edge.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
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


def test_all_is_copied_that_the_build_reads_when_the_wheel_is_made(instructions: list[Instruction]) -> None:
    """Packages, shared data, readme and licence, and the file that names them, are there before pip is."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", PROJECT["project"]["readme"], *wheel["packages"], *wheel["shared-data"]}
    needed |= {path.name for glob in PROJECT["project"]["license-files"] for path in ROOT.glob(glob)}
    needed.add(PROJECT["tool"]["hatch"]["version"]["path"].split("/")[0])
    pip = next(i for i, (word, rest) in enumerate(instructions) if word == "RUN" and "pip install" in rest)
    copied = {name for word, rest in instructions[:pip] if word == "COPY" for name in rest.split()[:-1]}
    assert needed <= copied, f"not copied: {needed - copied}"


def test_nothing_else_is_sent_when_the_context_is_read() -> None:
    """.dockerignore begins by leaving out everything: tests, histories and what lies about are not sent."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    sent = [line[1:] for line in lines if line.startswith("!")]
    for name in (".git", ".venv", ".peers", "tests", "benchmarks", "secret.txt"):
        assert not any(fnmatch(name, pattern) for pattern in sent), name


def test_extras_exist_and_bring_every_adapter_when_all_are_installed(instructions: list[Instruction]) -> None:
    """The default of EXTRAS is an extra of the project, and it has the library of each adapter that needs one."""
    extras = PROJECT["project"]["optional-dependencies"]
    (default,) = (rest.partition("=")[2] for word, rest in instructions if word == "ARG" and rest.startswith("EXTRAS="))
    assert default in extras
    (line,) = extras[default]
    brought = set(re.fullmatch(r"rt-edge\[(.*)\]", line)[1].split(","))
    adapters = set(PROJECT["project"]["entry-points"]["rt_edge.adapters"])
    assert brought == adapters & set(extras)


def test_base_has_a_python_that_serves_when_none_is_named(instructions: list[Instruction]) -> None:
    """The default base is for arm64, its Python no older than the project wants, and every stage is built on it."""
    base = instructions[0][1].partition("=")[2]
    version = re.search(r"python:(\d+)\.(\d+)", base)
    at_least = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["project"]["requires-python"])
    assert tuple(map(int, version.groups())) >= tuple(map(int, at_least.groups()))
    assert [rest.split()[0] for word, rest in instructions if word == "FROM"] == ["${BASE}", "${BASE}"]


def test_image_runs_unprivileged_when_started(instructions: list[Instruction]) -> None:
    """The image ends as a user that is not root and owns the volume, and nothing of it is said twice."""
    stage = last_stage(instructions)
    words = [word for word, _ in stage]
    assert [word for word in ("USER", "ENTRYPOINT", "CMD", "VOLUME", "HEALTHCHECK") if words.count(word) != 1] == []
    said = dict(stage)
    user = said["USER"]
    made = next(rest for word, rest in stage if word == "RUN")
    assert re.search(rf"useradd .*--uid ([1-9]\d*) .*\b{user}\b", made)
    assert f"install --directory --owner {user} --group {user} --mode 0700 {said['VOLUME']}" in made
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert said["STOPSIGNAL"] == "SIGTERM"


def test_image_starts_commands_that_exist_when_run_or_asked(instructions: list[Instruction]) -> None:
    """Entry point, default command and health check are this program's, with its own sub-commands."""
    said = dict(last_stage(instructions))
    assert json.loads(said["ENTRYPOINT"]) == ["rt-edge"]
    assert "rt-edge" in PROJECT["project"]["scripts"]
    assert json.loads(said["CMD"]) == ["run", "/etc/rt-edge/rt-edge.yaml"]
    assert json.loads(said["HEALTHCHECK"].partition("CMD ")[2]) == ["rt-edge", "status"]
    assert {"run", "status"} <= set(COMMANDS)
    assert said["ENV"].startswith("PATH=/opt/rt-edge/bin:")
    assert ("COPY", "--from=build /opt/rt-edge /opt/rt-edge") in last_stage(instructions)


def test_no_setting_of_a_machine_is_in_the_image_when_it_is_built(instructions: list[Instruction]) -> None:
    """Certificates, indexes and proxies come from outside, and are no argument or variable of the image."""
    settings = [rest for word, rest in instructions if word in ("ARG", "ENV")]
    assert [rest for rest in settings if re.search(r"PIP_|CERT|CA_|SSL|PROXY|INDEX", rest, re.IGNORECASE)] == []


def test_shell_reads_each_run_line_when_parsed(instructions: list[Instruction]) -> None:
    """The commands of RUN are a shell's language."""
    for word, rest in instructions:
        if word == "RUN":
            done = subprocess.run(["sh", "-n", "-c", rest], capture_output=True, text=True, check=False)
            assert done.stderr == ""
