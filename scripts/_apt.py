"""Debian packages without installing them: fetched by apt, checked by apt's own keys, unpacked into a folder.

Nothing on the host changes: no root, no package database, no service that starts. apt's configuration (mirrors, proxies, keys,
credentials) is used as it stands; only its lists and its cache are kept in a folder of ours, so that missing, old or
unwritable lists of the host do not matter. No mirror is named here: sources are what /etc/apt says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ONE_LINE = re.compile(r"^\s*deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#]+)")
DEPENDENCY = re.compile(
    r"^\s*(?P<name>[a-z0-9][a-z0-9.+-]*)(?::\S+)?\s*(?:\(\s*(?P<relation>[<>=]+)\s*(?P<version>[^)\s]+)\s*\))?"
)
AT_MOST_PACKAGES = 80
"""A closure larger than this is not a program with its libraries."""


class AptError(Exception):
    """A sentence about what apt cannot do here."""


@dataclass(frozen=True)
class Release:
    """What /etc/os-release says.

    Attributes:
        id: `debian`, `raspbian`, `ubuntu`, ...; empty when unknown.
        codename: `bookworm`, `trixie`, ...; empty when unknown.
    """

    id: str
    codename: str

    @classmethod
    def read(cls, path: Path = Path("/etc/os-release")) -> Release:
        """Read an os-release file; a missing one gives an empty release."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            return cls("", "")
        values = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', text, re.MULTILINE))
        return cls(values.get("ID", ""), values.get("VERSION_CODENAME", ""))


@dataclass
class Sources:
    """Source entries in the two formats of sources.list(5), as text."""

    one_line: list[str] = field(default_factory=list)
    stanzas: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.one_line or self.stanzas)

    def __add__(self, other: Sources) -> Sources:
        return Sources(self.one_line + other.one_line, self.stanzas + other.stanzas)

    def write(self, parts: Path) -> None:
        """Write the entries as the folder `Dir::Etc::SourceParts`."""
        parts.mkdir(parents=True, exist_ok=True)
        (parts / "taken.list").write_text("".join(f"{line}\n" for line in self.one_line), encoding="utf-8")
        (parts / "taken.sources").write_text("\n\n".join(self.stanzas) + "\n", encoding="utf-8")


def sources_of(codename: str, suffix: str = "", etc: Path = Path("/etc/apt")) -> Sources:
    """The configured binary entries of the release `codename` with component main, their suite replaced by `codename` + `suffix`.

    URI, options, keys and components stay as they are, so whatever mirror, scheme or key is configured is used.
    """
    found = Sources()
    lists = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]
    for path in lists:
        for line in _read(path).splitlines():
            if taken := _one_line(line, codename, suffix):
                found.one_line.append(taken)
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n(?:[ \t]*\n)+", _read(path)):
            if taken := _stanza(stanza, codename, suffix):
                found.stanzas.append(taken)
    return found


def _one_line(line: str, codename: str, suffix: str) -> str | None:
    match = ONE_LINE.match(line)
    if match is None or match["suite"] != codename or "main" not in match["components"].split():
        return None
    options = f"[{match['options']}] " if match["options"] else ""
    return f"deb {options}{match['uri']} {codename}{suffix} {match['components'].strip()}"


def _stanza(text: str, codename: str, suffix: str) -> str | None:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    values = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            values[name.strip().lower()] = value.split()
    if values.get("enabled", ["yes"])[0].lower() in {"no", "false", "off", "0"} or "deb" not in values.get("types", []):
        return None
    if codename not in values.get("suites", []) or "main" not in values.get("components", []):
        return None
    replaced = {"suites": f"Suites: {codename}{suffix}", "types": "Types: deb"}
    return "\n".join(replaced.get(line.partition(":")[0].strip().lower(), line) for line in lines)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class PrivateApt:
    """apt with lists and cache of its own in `folder`, reading the host's configuration.

    Args:
        folder: is made when missing; may be deleted afterwards.
        sources: the entries to read; None: all that the host has.
    """

    def __init__(self, folder: Path, sources: Sources | None) -> None:
        self._folder = folder
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._options = [
            f"-oDir::State::Lists={folder}/lists",
            f"-oDir::Cache={folder}/cache",
            "-oDir::Cache::pkgcache=pkgcache.bin",  # container images switch these off; each question then costs a second
            "-oDir::Cache::srcpkgcache=srcpkgcache.bin",
            "-oAPT::Sandbox::User=root",  # the folder may lie where _apt cannot go; only matters for root
            "-oAcquire::Languages=none",
            "-oAcquire::Retries=2",
            "-oDebug::NoLocking=1",
            "-qq",
        ]
        if sources is not None:
            sources.write(folder / "parts")
            self._options += ["-oDir::Etc::SourceList=/dev/null", f"-oDir::Etc::SourceParts={folder}/parts"]

    def update(self) -> str:
        """Fetch the lists; returns what apt complained of (a list that failed does not spoil the others)."""
        done = self._run(["apt-get", *self._options, "update"], 300)
        return _complaint(done.stderr or done.stdout) if done.returncode or "E: " in done.stderr or "W: " in done.stderr else ""

    def versions(self, package: str) -> list[str]:
        """All versions on offer, as the sources list them."""
        out = self._run(["apt-cache", *self._options, "madison", package], 60).stdout
        return [parts[1].strip() for parts in (line.split("|") for line in out.splitlines()) if len(parts) >= 3]

    def candidate(self, package: str) -> str | None:
        """The version apt would choose, by its pins (backports lose); None when no source has the package."""
        out = self._run(["apt-cache", *self._options, "policy", package], 60).stdout
        match = re.search(r"^\s*Candidate: (\S+)$", out, re.MULTILINE)
        return match[1] if match and match[1] != "(none)" else None

    def depends(self, package: str, version: str) -> list[str]:
        """The clauses of Depends and Pre-Depends, e.g. `libssl3 (>= 3.0.0)` or `a | b`."""
        out = self._run(["apt-cache", *self._options, "show", f"{package}={version}"], 60).stdout
        record = out.split("\n\n")[0]
        return [c.strip() for line in re.findall(r"^(?:Pre-)?Depends: (.*)$", record, re.MULTILINE) for c in line.split(",")]

    def unpack(self, wanted: list[str], root: Path) -> None:
        """Download `name=version` packages and unpack them under `root`.

        Raises:
            AptError: one of them cannot be fetched or opened.
        """
        archives = self._folder / "archives"
        shutil.rmtree(archives, ignore_errors=True)
        archives.mkdir(parents=True)
        done = self._run(["apt-get", *self._options, "download", *wanted], 600, cwd=archives)
        if done.returncode:
            raise AptError(f"apt-get download failed: {_complaint(done.stderr)}")
        root.mkdir(parents=True, exist_ok=True)
        for archive in sorted(archives.glob("*.deb")):
            opened = self._run(["dpkg-deb", "-x", str(archive), str(root)], 120)
            if opened.returncode:
                raise AptError(f"dpkg-deb cannot open {archive.name}: {_complaint(opened.stderr)}")

    def _run(self, command: list[str], seconds: float, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        try:
            plain = {**os.environ, "LC_ALL": "C"}  # what apt prints is read by words
            return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, cwd=cwd, env=plain)
        except FileNotFoundError:
            raise AptError(f"there is no {command[0]} on this machine") from None
        except subprocess.TimeoutExpired:
            raise AptError(f"{command[0]} did not answer within {seconds:.0f} s") from None


def _complaint(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(("E:", "Err:"))] or text.splitlines()
    return lines[0].strip() if lines else "it did not say why"


def newest(versions: list[str]) -> str | None:
    """The highest of Debian version numbers, by dpkg's rules."""
    best = None
    for version in versions:
        if best is None or subprocess.run(["dpkg", "--compare-versions", version, "gt", best], check=False).returncode == 0:
            best = version
    return best


def installed_version(package: str) -> str | None:
    """The version of a package that is installed on the host, or None."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}\n", package], capture_output=True, text=True, check=False
    )
    for line in done.stdout.splitlines():
        status, _, version = line.partition(" ")
        if status == "installed":
            return version
    return None


def library_closure(apt: PrivateApt, package: str, version: str) -> list[str]:
    """`package=version` and the library packages it needs that the host has not, as `name=version`.

    Only packages named lib* are followed: the others (adduser, init helpers) serve installation, not running.

    Raises:
        AptError: a library is not on offer, or there is no end of them.
    """
    taken: dict[str, str] = {}
    waiting = [(package, version)]
    while waiting:
        name, wanted = waiting.pop()
        if taken.setdefault(name, wanted) != wanted:
            raise AptError(f"{package} needs {name} in two versions: {taken[name]} and {wanted}")
        if len(taken) > AT_MOST_PACKAGES:
            raise AptError(f"{package} needs more than {AT_MOST_PACKAGES} packages")
        for clause in apt.depends(name, wanted):
            need = _missing(apt, clause)
            if need is not None and need[0] not in taken:
                waiting.append(need)
    return [f"{name}={wanted}" for name, wanted in taken.items()]


def _missing(apt: PrivateApt, clause: str) -> tuple[str, str] | None:
    choices = [m for m in map(DEPENDENCY.match, clause.split("|")) if m is not None]
    libraries = [m for m in choices if m["name"].startswith("lib")]
    if not libraries:
        return None
    for match in libraries:
        exact = match["version"] if match["relation"] == "=" else None
        here = installed_version(match["name"])
        if here is not None and exact in {None, here}:
            return None
    for match in libraries:
        exact = match["version"] if match["relation"] == "=" else None
        version = exact or apt.candidate(match["name"])
        if version is not None:
            return match["name"], version
    raise AptError(f"no source offers {clause}")
