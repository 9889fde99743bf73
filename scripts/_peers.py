"""Get the real peers the tests and the demo talk to, into `.peers/`: no root, nothing installed, no service started.

A program that the host already has, new enough, is used as it is. Everything else is taken from the Debian archive that
/etc/apt names, with the libraries the host lacks, and unpacked; `.peers/bin` holds a start script for each program.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from _apt import AptError, PrivateApt, Release, library_closure, newest, sources_of

ROOT = Path(__file__).resolve().parent.parent
SCRIPT_FILES = (Path(__file__), Path(__file__).with_name("_apt.py"))
PROGRAM_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin")

WRAPPER = """#!/bin/sh
# Starts {program} with the libraries unpacked beside it.
root=$(cd "$(dirname "$0")/../root/{package}" && pwd) || exit 1
LD_LIBRARY_PATH="{libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export LD_LIBRARY_PATH
{extra}exec "$root/{program}" "$@"
"""
UNIT_PATH = """case " $* " in *" --user "*) kind=user ;; *) kind=system ;; esac
export SYSTEMD_UNIT_PATH="${SYSTEMD_UNIT_PATH:-$root/lib/systemd/$kind:$root/usr/lib/systemd/$kind}"
"""
"""systemd-analyze looks for the units that ours names in the host's folders; a host without systemd has none there."""


@dataclass(frozen=True)
class Peer:
    """A package and how to tell that its program serves.

    Attributes:
        package: its name in the Debian archive.
        program: the program that must start.
        says_version: arguments that make the program print its version and need nothing else.
        at_least: the oldest version that serves; empty: any.
        why: what an older one does wrong, for the message.
    """

    package: str
    program: str
    says_version: tuple[str, ...]
    at_least: tuple[int, ...] = ()
    why: str = ""

    def version(self, program: Path) -> tuple[int, ...] | None:
        """What the program at this path says its version is; None when it does not start."""
        try:
            done = subprocess.run([program, *self.says_version], capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?|systemd (\d+)", done.stdout + done.stderr)
        return tuple(int(part) for part in match.groups() if part is not None) if match else None

    def serves(self, program: Path) -> bool:
        """Whether the program at this path starts and is new enough."""
        version = self.version(program)
        return version is not None and version >= self.at_least

    def on_host(self) -> Path | None:
        """The host's own program, if it serves."""
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        found = shutil.which(self.program, path=path)
        return Path(found) if found and self.serves(Path(found)) else None


BACKLOG = "older ones send more than Receive Maximum once they have a backlog"
PEERS = {
    peer.package: peer
    for peer in (
        Peer("mosquitto", "mosquitto", ("-h",), (2, 0, 20), BACKLOG),
        Peer("mosquitto-clients", "mosquitto_pub", ("--version",), (2, 0, 20), "its library goes with the broker's"),
        Peer("systemd", "systemd-analyze", ("--version",)),
        Peer("dbus-daemon", "dbus-daemon", ("--version",)),
        Peer("socat", "socat", ("-V",)),
        Peer("mbpoll", "mbpoll", ("-V",)),
        Peer("libcoap3-bin", "coap-server-notls", ("-h",)),
    )
}
NEEDED = ("mosquitto", "mosquitto-clients", "systemd", "libcoap3-bin", "dbus-daemon", "mbpoll")


def say(text: str) -> None:
    """Progress, one line, at once."""
    print(f"peers: {text}", flush=True)


def main() -> int:
    """Get what was named (default: what the tests need); 0 if all of it serves, 1 and a line each if not."""
    parser = argparse.ArgumentParser(prog="scripts/peers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("package", nargs="*", help=f"one of: {' '.join(PEERS)}; default: {' '.join(NEEDED)}")
    parser.add_argument("--into", type=Path, default=ROOT / ".peers", help="the folder (default: .peers)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.package if name not in PEERS]
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}; known are {' '.join(PEERS)}")
    try:
        return get([PEERS[name] for name in arguments.package or NEEDED], arguments.into.absolute())
    except OSError as error:
        say(f"cannot write {error.filename}: {error.strerror}")
        return 1


def get(peers: list[Peer], into: Path) -> int:
    """Make each peer available in `into/bin` unless the host has it; the number that cannot be had decides the exit code."""
    into.mkdir(exist_ok=True)
    with (into / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [peer for peer in peers if not _is_there(peer, into)]
        if not missing:
            return 0
        apt_folder = into / "apt"
        try:
            apt = _private_apt(apt_folder)
            refused = [peer for peer in missing if not _fetch(apt, peer, into)]
        except AptError as error:
            say(f"cannot be had: {', '.join(peer.package for peer in missing)}: {error}")
            return 1
        finally:
            shutil.rmtree(apt_folder, ignore_errors=True)
    return 1 if refused else 0


def _is_there(peer: Peer, into: Path) -> bool:
    if host := peer.on_host():
        say(f"{peer.package}: {host}")
        return True
    ours = into / "bin" / peer.program
    if _stamp(into, peer).is_file() and _stamp(into, peer).read_text() == _stamp_text() and peer.serves(ours):
        say(f"{peer.package}: {ours}")
        return True
    return False


def _private_apt(folder: Path) -> PrivateApt:
    release = Release.read()
    sources = sources_of(release.codename) if release.codename else None
    if sources and release.codename == "bookworm":
        sources += sources_of(release.codename, "-backports")
    say("reading the package lists of the configured Debian mirror")
    apt = PrivateApt(folder, sources or None)
    complaint = apt.update()
    if complaint:
        say(f"apt-get update: {complaint}")
    return apt


def _fetch(apt: PrivateApt, peer: Peer, into: Path) -> bool:
    """Unpack one peer and try it; says the one line about success or failure."""
    offered = apt.versions(peer.package)
    version = newest(offered) if peer.at_least else apt.candidate(peer.package)
    wanted = ".".join(map(str, peer.at_least))
    if version is None:
        say(f"{peer.package} cannot be had: no configured source offers it")
        return False
    if peer.at_least and _upstream(version) < peer.at_least:
        say(f"{peer.package} {wanted} or newer cannot be had here, only {', '.join(offered)}: {peer.why}")
        return False
    try:
        packages = library_closure(apt, peer.package, version)
        say(f"{peer.package}: fetching {' '.join(packages)}")
        shutil.rmtree(into / "root" / peer.package, ignore_errors=True)
        apt.unpack(packages, into / "root" / peer.package)
        write_wrappers(peer, into)
    except AptError as error:
        say(f"{peer.package} cannot be had: {error}")
        return False
    ours = into / "bin" / peer.program
    if not peer.serves(ours):
        say(f"{peer.package} was unpacked but does not start: {_lacks(ours)}")
        return False
    _stamp(into, peer).write_text(_stamp_text())
    say(f"{peer.package}: {ours}")
    return True


def write_wrappers(peer: Peer, into: Path) -> None:
    """Write a start script for each program of the package unpacked in `into/root/<package>`.

    Raises:
        AptError: the package does not hold the program it is taken for.
    """
    root = into / "root" / peer.package
    programs = [file for folder in PROGRAM_FOLDERS for file in (root / folder).glob("*") if file.is_file()]
    if not any(file.name == peer.program for file in programs):
        raise AptError(f"the package does not hold {peer.program}")
    shared = (file for file in root.rglob("*.so*") if re.search(r"\.so(\.\d+)*$", file.name))
    libraries = sorted({str(file.parent.relative_to(root)) for file in shared})
    path = ":".join(f"$root/{folder}" for folder in libraries)
    (into / "bin").mkdir(exist_ok=True)
    for file in programs:
        if peer.package == "systemd" and file.name != peer.program:
            continue  # nobody wants another systemctl in front of the host's
        wrapper = into / "bin" / file.name
        program = file.relative_to(root)
        extra = UNIT_PATH if peer.package == "systemd" else ""
        wrapper.write_text(WRAPPER.format(package=peer.package, program=program, libraries=path or "$root", extra=extra))
        wrapper.chmod(0o755)


def _lacks(wrapper: Path) -> str:
    done = subprocess.run([wrapper, "--version"], capture_output=True, text=True, check=False, timeout=20)
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[0] if lines else f"exit code {done.returncode}"


def _upstream(version: str) -> tuple[int, ...]:
    """The numbers of a Debian version without epoch and revision: `1:2.0.21-1~bpo12+1` -> (2, 0, 21)."""
    return tuple(int(part) for part in re.findall(r"\d+", version.rpartition(":")[2].partition("-")[0]))


def _stamp(into: Path, peer: Peer) -> Path:
    return into / f"{peer.package}.stamp"


def _stamp_text() -> str:
    digest = hashlib.sha256()
    for path in (*SCRIPT_FILES, Path("/etc/os-release")):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
