"""What the campaigns of this folder share: a temporary folder, steps with time limits, a summary, and cleaning up after all.

A campaign changes nothing of the host that lasts but the Debian packages it installs. pip's settings are taken from the
environment (PIP_CERT, PIP_INDEX_URL, ...), apt's from the host's configuration: no host is named here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from _apt import Release, installed_version, sources_of  # noqa: E402

LOOK_S = 0.2
PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_CERT")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "rt_edge", "adapters", "config", "systemd")


class CampaignError(Exception):
    """A sentence about what was not as it should be."""


class Campaign:
    """One run.

    Args:
        name: of the script.
        limit_s: seconds, for everything but cleaning up.

    Attributes:
        folder: of this run alone; gone at the end.
        after: what is to be undone, in reverse order, whatever happens.
    """

    def __init__(self, name: str, limit_s: int) -> None:
        self.name = name
        self.limit_s = limit_s
        self.after = ExitStack()
        self.folder = Path()
        self._log = Path()
        self._detail = ""
        self._done: list[str] = []
        self._failed: list[str] = []

    def main(self, body: Callable[[Campaign], None]) -> int:
        """Run it: 0 if every step was as it should be, 1 if not, 2 if this machine cannot."""
        raw = argparse.RawDescriptionHelpFormatter
        described = sys.modules["__main__"].__doc__
        argparse.ArgumentParser(f"scripts/packaging/{self.name}", description=described, formatter_class=raw).parse_args()
        if os.geteuid() != 0:
            print(f"{self.name}: only root can do this: it mounts, installs packages and starts containers", file=sys.stderr)
            return 2
        began = time.monotonic()
        for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _raise)
        signal.alarm(self.limit_s)
        self.folder = Path(tempfile.mkdtemp(prefix=f"rt-edge-{self.name}.", dir="/var/tmp"))  # /tmp may be small
        self.after.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.after.callback(self._unmount)
        self._log = self.folder / "log"
        try:
            body(self)
        except CampaignError as error:
            if not self._failed:
                self._failed.append(str(error))
                print(f"FAILED  {error}", flush=True)
        finally:
            signal.alarm(0)
            self._clean()
        verdict = "as it should be" if not self._failed else f"{len(self._failed)} FAILED"
        print(f"{self.name}: {len(self._done)} steps done, {verdict}, {time.monotonic() - began:.0f} s", flush=True)
        return 1 if self._failed else 0

    def _clean(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # being asked a second time to end must not leave things behind
        self.after.close()
        if self.folder.exists():
            self._failed.append("cleaning up")
            print(f"FAILED  cleaning up: {self.folder} is left", flush=True)

    def _unmount(self) -> None:
        """What others have left mounted in the folder; before it is removed."""
        for place in sorted(mounts_below(self.folder), reverse=True):
            subprocess.run(["umount", "--lazy", place], check=False)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """One line of the summary; the first that fails ends the campaign."""
        began = time.monotonic()
        self._detail = ""
        try:
            yield
        except (CampaignError, OSError, ValueError, KeyError) as error:
            self._failed.append(what)
            print(f"FAILED  {what}: {error}", flush=True)
            if self._log.exists():
                lines = dict.fromkeys(self._log.read_text(errors="replace").splitlines()[-400:])  # waiting says things again
                print("        " + "\n        ".join(line[:200] for line in list(lines)[-60:]), flush=True)
            raise CampaignError(what) from error
        self._done.append(what)
        print(f"ok {time.monotonic() - began:6.1f} s  {what}{': ' if self._detail else ''}{self._detail}", flush=True)

    def saw(self, detail: str) -> None:
        """What the step saw, for its line."""
        self._detail = f"{self._detail}; {detail}" if self._detail else detail

    def run(
        self,
        *command: str | Path,
        seconds: float = 60,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        check: bool = True,
    ) -> str:
        """Run a command to its end; returns what it prints (without its errors, which go to the log).

        Raises:
            CampaignError: it took longer than `seconds` (it and its children are killed), or failed and `check` is set.
        """
        with self._log.open("a") as log:
            print("+", *command, file=log, flush=True)
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                cwd=cwd,
                text=True,
                start_new_session=True,
            )
            try:
                out, _ = process.communicate(timeout=seconds)
            except BaseException as error:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):  # what has left the group may hold the pipe
                    log.write(process.communicate(timeout=5)[0])
                if isinstance(error, subprocess.TimeoutExpired):
                    raise CampaignError(f"{command[0]} took longer than {seconds:g} s") from None
                raise
            log.write(out)
        if check and process.returncode:
            raise CampaignError(f"exit code {process.returncode} of: {' '.join(map(str, command))}")
        return out

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Look until `condition` holds; returns how long that took.

        Raises:
            CampaignError: not within `seconds`.
        """
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                raise CampaignError(f"not within {seconds:g} s: {what}")
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def need(self, *packages: str) -> None:
        """Install the Debian packages that are missing; RUNLEVEL keeps their services from starting where there is no systemd."""
        missing = [name for name in packages if installed_version(name) is None]
        if missing:
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            self.run("apt-get", "-qq", "update", seconds=300, env=env)
            self.run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing, seconds=600, env=env)
        self.saw(f"installed {', '.join(missing)}" if missing else "all there")


def _raise(number: int, _frame: FrameType | None) -> None:
    raise CampaignError("it took too long in all" if number == signal.SIGALRM else f"ended by {signal.Signals(number).name}")


def mounts_below(folder: Path) -> list[Path]:
    """Where something is mounted in a folder."""
    places = (Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines())
    return [place for place in places if place.is_relative_to(folder)]


def remove_cgroup(place: Path) -> None:
    """Remove an empty tree of cgroups, from the leaves up; what somebody is in stays."""
    for folder, _, _ in os.walk(place, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()


def release_and_mirror() -> tuple[str, str]:
    """The host's Debian release, and the archive it is configured to use.

    Raises:
        CampaignError: this is no Debian, or no archive is configured.
    """
    codename = Release.read().codename
    sources = sources_of(codename)
    entries = [line.split() for line in sources.one_line]
    found = [word for entry in entries for word in entry if "://" in word]
    for stanza in sources.stanzas:
        found += [word for line in stanza.splitlines() if line.lower().startswith("uris:") for word in line.split()[1:]]
    archives = [uri for uri in found if "security" not in uri]
    if not archives:
        raise CampaignError("no archive of this release in /etc/apt: the campaign needs a Debian host")
    return codename, archives[0]


def pip_environment() -> dict[str, str]:
    """pip's settings and the proxies, as the environment has them; nothing that only this machine can open."""
    taken = {name: os.environ[name] for name in (*PIP_SETTINGS, *PROXIES) if name in os.environ}
    return {name: value for name, value in taken.items() if not value.startswith("file:")}


def copy_sources(into: Path) -> None:
    """What the wheel is built of, as it stands in the working tree."""
    into.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, into / name)
