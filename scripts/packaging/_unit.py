"""Run systemd/rt-edge.service under a real systemd: a Debian of this host's release in a temporary folder, this working tree
installed in it as a user would, booted by systemd-nspawn. Takes some four minutes, and root.

What must be seen: ready when its islands run; user, modes and sandbox; a main process or a guardian that hangs is found by the
watchdog; a killed main process comes back and leaves no orphan; a stop in order; devices that are not there do not keep it
from becoming active; a configuration that is refused is not tried again and again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from _campaign import ROOT, Campaign, CampaignError, copy_sources, pip_environment, release_and_mirror, remove_cgroup

LIMIT_S = 1200
PACKAGES = "systemd-sysv,dbus,python3,python3-venv"
PROGRAM = "/opt/rt-edge/bin/rt-edge"
CONFIG = "/etc/rt-edge/rt-edge.yaml"
DATA = "/var/lib/rt-edge"
WATCHDOG_S = 30
STOP_S = 45
RESTART_S = 5
ABSENT = """
  plc:
    kind: modbus
    channel: {serial: /dev/ttyUSB99, baud: 19200}
    units: {pump: {unit: 1, points: {pressure: {holding: 100, type: float32}}}}
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:1
    subscribe: [{filter: "a/#", codec: json}]
"""


class Container:
    """The booted system."""

    def __init__(self, campaign: Campaign, root: Path) -> None:
        self.campaign = campaign
        self.root = root
        self._leader = 0

    def boot(self) -> None:
        """Start it; the end of the campaign ends it."""
        places = cgroup_places()
        console = (self.campaign.folder / "console").open("wb")
        command = [
            "systemd-nspawn",
            "-D",
            str(self.root),
            "-b",
            f"--machine=rt-edge-{os.getpid()}",
            "--register=no",
            "--keep-unit",
        ]
        command += ["--private-network", "--resolv-conf=off", "--timezone=off", "--console=pipe", "--quiet"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True)
        self.campaign.after.callback(self._end, process, places)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self.campaign.wait(lambda: bool(children.read_text().split()), 20, "systemd-nspawn starts systemd")
        self._leader = int(children.read_text().split()[0])
        up = ("running", "degraded")
        self.campaign.wait(
            lambda: self.inside("systemctl", "is-system-running", check=False).strip() in up, 60, "the system is up"
        )

    def _end(self, process: subprocess.Popen[bytes], places: list[Path]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if number == signal.SIGKILL and self._leader:
                with suppress(ProcessLookupError):
                    os.kill(self._leader, signal.SIGKILL)  # the first process of its namespace: all others go with it
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
                break
        for place in places:  # cgroups that nspawn has made beside this process
            remove_cgroup(place)

    def inside(self, *command: str, seconds: float = 60, check: bool = True) -> str:
        """Run a command in the container, as its root."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-p", "-u", "-i", "-n", "-r", "-w", "--"]
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        return self.campaign.run(*enter, *command, seconds=seconds, check=check, env=env)

    def show(self, *names: str) -> dict[str, str]:
        """Properties of the unit."""
        out = self.inside("systemctl", "show", "rt-edge", *(f"--property={name}" for name in names))
        return dict(line.split("=", 1) for line in out.splitlines())

    def expect(self, **wanted: str) -> dict[str, str]:
        """Properties of the unit that must be as said.

        Raises:
            CampaignError: one is not.
        """
        seen = self.show(*wanted)
        if seen != wanted:
            raise CampaignError(f"the unit is {seen}, and not {wanted}")
        return seen

    def main_pid(self) -> int:
        """The main process, by its number on the host."""
        return self._on_host(self.show("MainPID")["MainPID"])

    def guardian_pid(self) -> int:
        """The guardian, likewise."""
        return self._on_host(str(json.loads(self.inside(PROGRAM, "status", "--data", DATA, "--json"))["pid"]))

    def _on_host(self, pid: str) -> int:
        return next((p for p in self.processes() if status_of(p)["NSpid"].split()[-1] == pid), 0)

    def processes(self) -> list[int]:
        """All of the unit, by their numbers on the host; of this container alone, others may have such a unit too."""
        here = Path(f"/proc/{self._leader}/ns/pid").stat().st_ino
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if (entry / "ns/pid").stat().st_ino == here and "/rt-edge.service" in (entry / "cgroup").read_text():
                        found.append(int(entry.name))
        return found

    def rows(self) -> int:
        """Rows in the store, as `rt-edge store` reads them."""
        out = self.inside("runuser", "-u", "rt-edge", "--", PROGRAM, "store", CONFIG, "--format", "jsonl", "--limit", "100000")
        return len([json.loads(line) for line in out.splitlines()])

    def log(self) -> str:
        """The journal of the unit."""
        return self.inside("journalctl", "--unit=rt-edge", "--output=cat", "--no-pager")


def status_of(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cgroup_places() -> list[Path]:
    """Where nspawn makes cgroups beside this process, as far as nobody else has made them."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    found = []
    for _, place, kind, options, *_ in mounts:
        for _, controllers, path in own:
            unified = kind == "cgroup2" and not controllers
            if unified or (kind == "cgroup" and controllers and set(controllers.split(",")) <= set(options.split(","))):
                found += [Path(place) / path.lstrip("/") / name for name in ("payload", "supervisor")]
    return [path for path in found if not path.exists()]


def install(c: Campaign, root: Path) -> None:
    """What the README of a release would say: a virtual environment, the unit, the user, the configuration."""
    copy_sources(root / "src")
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", **pip_environment()}
    if "PIP_CERT" in env:
        shutil.copy(env["PIP_CERT"], root / "tmp" / "ca.pem")
        env["PIP_CERT"] = "/tmp/ca.pem"  # in the container's root
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    c.run("chroot", root, "python3", "-m", "venv", "/opt/rt-edge", seconds=120, env=env)
    c.run("chroot", root, "/opt/rt-edge/bin/pip", "install", "--no-cache-dir", "/src[all]", seconds=300, env=env)
    share = root / "opt/rt-edge/share/rt-edge"
    shutil.copy(share / "systemd/rt-edge.service", root / "etc/systemd/system")
    (root / "etc/sysusers.d").mkdir(exist_ok=True)
    shutil.copy(share / "systemd/rt-edge.sysusers.conf", root / "etc/sysusers.d/rt-edge.conf")
    c.run("chroot", root, "systemd-sysusers", env=env)
    (root / "etc/rt-edge").mkdir()
    example = (share / "config/simulated.yaml").read_text().replace("data: ./try-out-data", f"data: {DATA}")
    configure(c, root, example)
    shutil.rmtree(root / "src")
    c.saw(c.run("chroot", root, PROGRAM, "--version", env=env).strip())


def configure(c: Campaign, root: Path, text: str) -> None:
    """Write the configuration, readable by the group alone."""
    path = root / CONFIG.lstrip("/")
    path.write_text(text)
    path.chmod(0o640)
    c.run("chroot", root, "chgrp", "rt-edge", CONFIG)


def ready(c: Campaign, box: Container) -> None:
    """`systemctl start` returns when the islands run, and the node answers at once."""
    began = time.monotonic()
    box.inside("systemctl", "start", "rt-edge", seconds=120)
    c.saw(f"active after {time.monotonic() - began:.1f} s")
    seen = box.expect(ActiveState="active", SubState="running", StatusText="3 of 3 islands run", NRestarts="0")
    c.saw(seen["StatusText"])
    box.inside(PROGRAM, "status", "--data", DATA)
    before = box.rows()
    c.wait(lambda: box.rows() > before, 30, "readings arrive in the store")


def sandboxed(c: Campaign, box: Container) -> None:
    """User, directories, privileges."""
    uid = box.inside("id", "-u", "rt-edge").strip()
    pids = box.processes()
    for pid in pids:
        status = status_of(pid)
        seen = (
            status["Uid"].split(),
            status["NoNewPrivs"],
            status["Seccomp"],
            int(status["CapEff"], 16),
            int(status["CapBnd"], 16),
        )
        if seen != ([uid] * 4, "1", "2", 0, 0):
            raise CampaignError(f"process {pid}: user, NoNewPrivs, Seccomp, CapEff, CapBnd are {seen}")
    for place, mode in ((DATA, "700"), ("/run/rt-edge", "700"), (f"{DATA}/store/archive.db", "600")):
        seen_mode = box.inside("stat", "-c", "%U:%G %a", place).strip()
        if seen_mode != f"rt-edge:rt-edge {mode}":
            raise CampaignError(f"{place} is {seen_mode}")
    c.saw(f"{len(pids)} processes of user {uid}, no capabilities, Seccomp 2; {DATA} rt-edge:rt-edge 700")


def comes_back(c: Campaign, box: Container, number: int, who: str, within: float) -> None:
    """Signal a process; the unit must be replaced as a whole and be active again."""
    old = set(box.processes())
    main = box.main_pid()
    restarts = int(box.show("NRestarts")["NRestarts"])
    bites = box.log().count("Watchdog timeout")
    os.kill(main if who == "main" else box.guardian_pid(), number)
    gone = c.wait(lambda: main not in box.processes(), within, "systemd ends the main process")
    c.wait(
        lambda: box.show("NRestarts", "ActiveState") == {"NRestarts": str(restarts + 1), "ActiveState": "active"},
        RESTART_S + 60,
        "the unit is active again",
    )
    left = old & set(box.processes())
    if left or any(Path(f"/proc/{pid}").exists() for pid in old):
        raise CampaignError(f"orphans of the old life: {sorted(left)}")
    box.expect(StatusText="3 of 3 islands run")
    if number == signal.SIGSTOP and box.log().count("Watchdog timeout") != bites + 1:
        raise CampaignError("it was not the watchdog that ended it")
    c.saw(f"ended after {gone:.1f} s, active again, none of {len(old)} old processes left")


def stops(c: Campaign, box: Container) -> None:
    """In order, in time, with nothing left."""
    rows = box.rows()
    began = time.monotonic()
    box.inside("systemctl", "stop", "rt-edge", seconds=STOP_S + 15)
    took = time.monotonic() - began
    box.expect(ActiveState="inactive", Result="success", ExecMainStatus="0")
    if box.processes():
        raise CampaignError(f"left in the cgroup: {box.processes()}")
    order = ["sources", "graphs", "spools", "uplinks"]
    said = [phase for line in box.log().splitlines() for phase in order if f"{phase} ended after" in line]
    if said[-4:] != order:
        raise CampaignError(f"the order of the stop was {said}")
    after = box.rows()
    if after < rows:
        raise CampaignError(f"{rows} rows before, {after} after")
    c.saw(f"{took:.1f} s, {', '.join(order)}, exit code 0, cgroup empty, {after} rows kept")


def devices_absent(c: Campaign, box: Container) -> None:
    """A serial port and a broker that are not there."""
    text = (box.root / CONFIG.lstrip("/")).read_text()
    text = text.replace("graphs:", ABSENT.lstrip("\n") + "\ngraphs:", 1)
    text = text.replace("- from: machine", "- from: [machine, plc, broker]")
    configure(c, box.root, text)
    box.inside("systemctl", "start", "rt-edge", seconds=120)
    seen = box.expect(ActiveState="active", StatusText="5 of 5 islands run")
    c.saw(seen["StatusText"])
    rows = box.rows()
    c.wait(lambda: box.rows() > rows, 30, "the other device's readings arrive")
    box.inside("systemctl", "stop", "rt-edge", seconds=STOP_S + 15)


def refused(c: Campaign, box: Container) -> None:
    """An error in the configuration ends it for good."""
    configure(c, box.root, "node: {id: n, data: /var/lib/rt-edge}\nnonsense: 1\n")
    box.inside("systemctl", "start", "rt-edge", seconds=120, check=False)
    c.wait(lambda: box.show("ActiveState")["ActiveState"] == "failed", RESTART_S * 3, "the unit has failed")
    began = time.monotonic()
    c.wait(lambda: time.monotonic() - began > RESTART_S + 2, 60, "time for a restart")
    box.expect(ActiveState="failed", ExecMainStatus="3")
    if "nonsense" not in box.log():
        raise CampaignError("the journal does not name the error")
    c.saw("exit code 3, named in the journal, not started again")


def body(c: Campaign) -> None:
    """The steps."""
    root = c.folder / "root"
    with c.step("tools"):
        c.need("debootstrap", "systemd-container")
    with c.step("a Debian"):
        codename, mirror = release_and_mirror()
        c.run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", codename, root, mirror, seconds=400)
        c.saw(codename)
    with c.step("this working tree installed in it"):
        install(c, root)
    box = Container(c, root)
    with c.step("systemd runs"):
        box.boot()
        c.saw(box.inside("systemctl", "--version").splitlines()[0])
    with c.step("start: ready when its islands run"):
        ready(c, box)
    with c.step("user, modes, sandbox"):
        sandboxed(c, box)
    with c.step("main process hangs (SIGSTOP)"):
        comes_back(c, box, signal.SIGSTOP, "main", WATCHDOG_S + 10)
    with c.step("guardian hangs (SIGSTOP)"):
        comes_back(c, box, signal.SIGSTOP, "guardian", WATCHDOG_S + 10)
    with c.step("main process killed (SIGKILL)"):
        comes_back(c, box, signal.SIGKILL, "main", 5)
    with c.step("stop"):
        stops(c, box)
    with c.step("devices that are not there"):
        devices_absent(c, box)
    with c.step("a configuration that is refused"):
        refused(c, box)


if __name__ == "__main__":
    assert ROOT.is_dir()
    sys.exit(Campaign("unit", LIMIT_S).main(body))
