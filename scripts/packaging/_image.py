"""Build Dockerfile.arm64 for arm64 and run the image, on any host: qemu-user where the host is not arm64, buildah to build, a
Docker engine of its own (no network, no host's images) to run. Takes some five minutes, and root.

The base is a Debian of this host's release with Python, made of its packages; PIP_CERT, PIP_INDEX_URL and the like reach pip
from the environment and leave no trace in the image.

What must be seen: version, check and exit codes; a node that runs as rt-edge with nothing but its volume to write to, healthy
by its HEALTHCHECK; SIGTERM ends it with 0 and what it stored is there.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from _campaign import ROOT, Campaign, CampaignError, copy_sources, pip_environment, release_and_mirror, remove_cgroup

LIMIT_S = 2400
BINFMT = Path("/proc/sys/fs/binfmt_misc")
QEMU = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
CONFIG = "/etc/rt-edge/rt-edge.yaml"
HEALTHY_S = 180
STOP_S = 30
EXAMPLE = "/opt/rt-edge/share/rt-edge/config/simulated.yaml"


def emulation(c: Campaign) -> None:
    """Have the kernel run arm64 programs, until the end of the campaign."""
    if platform.machine() == "aarch64":
        c.saw("not needed")
        return
    if not (BINFMT / "register").exists():
        c.run("mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT)
        c.after.callback(subprocess.run, ["umount", str(BINFMT)], check=False)
    entries = [path for path in BINFMT.iterdir() if path.name not in ("register", "status")]
    if any(re.search(r"^enabled$.*aarch64.*^flags: \w*F", path.read_text(), re.MULTILINE | re.DOTALL) for path in entries):
        c.saw("the host's own")
        return
    name = f"rt-edge-{os.getpid()}"
    (BINFMT / "register").write_text(QEMU.read_text().strip().replace(":qemu-aarch64:", f":{name}:", 1))
    c.after.callback((BINFMT / name).write_text, "-1")
    c.saw("registered for this run")


def base(c: Campaign) -> None:
    """An arm64 image with Python: packages unpacked and not configured, which spares the emulation."""
    codename, mirror = release_and_mirror()
    root = c.folder / "base"
    include = "--include=python3,python3-venv,ca-certificates"
    c.run("debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", include, codename, root, mirror, seconds=400)
    archives = sorted((root / "var/cache/apt/archives").glob("*.deb"))
    for archive in archives:
        c.run("dpkg-deb", "-x", archive, root, seconds=60)
        archive.unlink()
    for name in ("passwd", "group"):
        shutil.copy(root / f"usr/share/base-passwd/{name}.master", root / "etc" / name)
    shutil.rmtree(root / "debootstrap")
    c.run("tar", "-C", root, "-cf", c.folder / "base.tar", ".", seconds=120)
    shutil.rmtree(root)
    made = buildah(c, "from", "--arch=arm64", "scratch").strip()
    buildah(c, "add", made, str(c.folder / "base.tar"), "/", seconds=120)
    buildah(c, "config", "--arch=arm64", "--os=linux", made)
    buildah(c, "commit", "--rm", made, "localhost/base", seconds=120)
    c.saw(f"{codename}, {len(archives)} packages")


def buildah(c: Campaign, *arguments: str, seconds: float = 60, cwd: Path | None = None) -> str:
    """buildah with a store of its own, and nothing of the environment but the proxies."""
    store = c.folder / "buildah"
    proxies = {name: value for name, value in pip_environment().items() if not name.startswith("PIP_")}
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(c.folder), "TMPDIR": str(c.folder), **proxies}
    command: list[str | Path] = [
        "buildah",
        "--storage-driver=vfs",
        "--root",
        store / "root",
        "--runroot",
        store / "run",
        *arguments,
    ]
    return c.run(*command, seconds=seconds, env=env, cwd=cwd)


def build(c: Campaign) -> None:
    """The image, from this working tree as .dockerignore lets it through."""
    settings = pip_environment()
    lines = ["[global]"]
    volumes = []
    for name, value in settings.items():
        if name == "PIP_CERT":
            volumes.append(f"--volume={value}:/run/ca.pem:ro")
            lines.append("cert = /run/ca.pem")
        elif name.startswith("PIP_"):
            lines.append(f"{name.removeprefix('PIP_').lower().replace('_', '-')} = {value}")
    (c.folder / "pip.conf").write_text("\n".join(lines) + "\n")
    volumes.append(f"--volume={c.folder / 'pip.conf'}:/etc/pip.conf:ro")
    context = c.folder / "context"
    copy_sources(context)  # as it is now: others may go on working in the tree
    for name in ("Dockerfile.arm64", ".dockerignore"):
        shutil.copy(ROOT / name, context)
    (context / "secret.txt").write_text("must not be sent")
    options = ["--isolation=chroot", "--arch=arm64", "--format=docker", "--build-arg=BASE=localhost/base", *volumes]
    buildah(c, "bud", *options, "--file=Dockerfile.arm64", "--tag=localhost/rt-edge", ".", seconds=900, cwd=context)
    archive = c.folder / "image.tar"
    buildah(c, "push", "localhost/rt-edge", f"docker-archive:{archive}:rt-edge:latest", seconds=120)
    c.saw(f"{archive.stat().st_size / 1e6:.0f} MB with its base")
    if settings.get("PIP_CERT"):
        c.saw("pip's certificates by a mount")


class Engine:
    """A Docker engine of this campaign's own: no bridge, no packet filter, its sockets and images in the folder."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self.socket = campaign.folder / "docker.sock"
        self._cgroup = f"/rt-edge-image-{os.getpid()}"

    def start(self) -> None:
        """Start it; the end of the campaign ends it."""
        folder = self.campaign.folder
        command = [
            "dockerd",
            "--data-root",
            folder / "docker",
            "--exec-root",
            folder / "exec",
            "--pidfile",
            folder / "dockerd.pid",
        ]
        command += ["-H", f"unix://{self.socket}", "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        command += ["--ip-forward=false", f"--cgroup-parent={self._cgroup}"]
        log = (folder / "dockerd.log").open("wb")
        process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        self.campaign.after.callback(self._end, process)
        self.campaign.wait(self.socket.exists, 30, "dockerd listens")
        self.campaign.saw(self("version", "--format", "{{.Server.Version}}").strip())

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(CampaignError):
            if ids := self("ps", "-aq", check=False).split():
                self("rm", "-f", *ids, check=False)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for hierarchy in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
            remove_cgroup(Path(f"{hierarchy}{self._cgroup}"))

    def __call__(self, *arguments: str, seconds: float = 120, check: bool = True) -> str:
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.campaign.folder)}
        return self.campaign.run("docker", "-H", f"unix://{self.socket}", *arguments, seconds=seconds, check=check, env=env)

    def once(self, *arguments: str, options: tuple[str, ...] = (), seconds: float = 120) -> str:
        """`docker run` of the image with arguments, to its end."""
        return self("run", "--rm", "--network=none", *options, "rt-edge", *arguments, seconds=seconds)

    def rows(self) -> int:
        """Rows in the store of the node's volume, read inside its container."""
        out = self("exec", "node", "rt-edge", "store", CONFIG, "--format", "jsonl", "--limit", "100000")
        return len([json.loads(line) for line in out.splitlines()])


def commands(c: Campaign, docker: Engine, etc: Path) -> None:
    """What a user types before the first start."""
    c.saw(docker.once("--version").strip())
    kinds = docker.once("adapters")
    for kind in ("modbus", "mqtt", "simulated"):
        if kind not in kinds:
            raise CampaignError(f"adapter {kind} is not there: {kinds}")
    mount = ("--volume", f"{etc}:/etc/rt-edge:ro")
    docker.once("check", CONFIG, options=mount)
    docker.once("check", EXAMPLE)
    (etc / "bad.yaml").write_text("node: {id: n}\nnonsense: 1\n")
    name = ("--name", "bad")
    docker("run", "--network=none", *mount, *name, "rt-edge", "run", "/etc/rt-edge/bad.yaml", check=False)
    code = docker("inspect", "--format", "{{.State.ExitCode}}", "bad").strip()
    if code != "3":
        raise CampaignError(f"run with a bad configuration ends with {code}, and not 3")
    image = json.loads(docker("image", "inspect", "rt-edge"))[0]
    settings = " ".join(image["Config"]["Env"]) + docker("history", "--no-trunc", "rt-edge")
    if image["Architecture"] != "arm64" or "PIP_" in settings:
        raise CampaignError(f"the image is for {image['Architecture']}; it says {settings}")
    listing = docker(
        "run", "--rm", "--network=none", "--entrypoint", "ls", "rt-edge", "-A", "/", "/var/lib/rt-edge", "/etc/rt-edge"
    )
    if "secret" in listing or "src" in listing.split():
        raise CampaignError(f"what belongs to the build is in the image: {listing}")
    c.saw(f"{image['Architecture']}, adapters, check; a bad configuration is exit code 3; nothing of the build is left")


def runs(c: Campaign, docker: Engine, etc: Path) -> None:
    """A node with a read-only root and no capability; its health is what HEALTHCHECK says."""
    hardened = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    began = time.monotonic()
    mounts = ("--volume", f"{etc}:/etc/rt-edge:ro", "--volume", "rt-edge:/var/lib/rt-edge")
    quick = ("--health-interval=5s", "--health-start-period=60s", "--health-timeout=60s")  # one look takes 15 s in emulation
    docker("run", "-d", "--name=node", "--network=none", *hardened, *mounts, *quick, "rt-edge")

    def state() -> str:
        seen = json.loads(docker("inspect", "--format", "{{json .State}}", "node"))
        if not seen["Running"]:
            raise CampaignError(f"it has ended with {seen['ExitCode']}: {docker('logs', 'node')}")
        return str(seen["Health"]["Status"])

    try:
        c.wait(lambda: state() == "healthy", HEALTHY_S, "the container is healthy")
    except CampaignError as error:
        health = docker("inspect", "--format", "{{json .State.Health}}", "node")
        raise CampaignError(f"{error}; {health}; {docker('logs', 'node')}") from error
    c.saw(f"healthy after {time.monotonic() - began:.0f} s")
    before = docker.rows()
    c.wait(lambda: docker.rows() > before, 60, "readings arrive in the store")
    users = {line.split()[0] for line in docker("top", "node", "-eo", "uid,pid,args").splitlines()[1:]}
    owner = docker("exec", "node", "stat", "-c", "%U:%G %a", "/var/lib/rt-edge").strip()
    if users != {"990"} or owner != "rt-edge:rt-edge 700":
        raise CampaignError(f"processes of the users {users}, data directory {owner}")
    c.saw(f"uid 990, data {owner}, root read-only, no capabilities")


def hears(c: Campaign, docker: Engine) -> None:
    """Unhealthy when the node does not answer: a health check that always agrees is none."""
    main = docker("inspect", "--format", "{{.State.Pid}}", "node").strip()
    status = json.loads(docker("exec", "node", "rt-edge", "status", "--json"))
    guardian = next(pid for pid in tree(int(main)) if nspid(pid) == status["pid"])
    os.kill(guardian, signal.SIGSTOP)
    try:
        health = "{{.State.Health.Status}}"
        took = c.wait(lambda: docker("inspect", "--format", health, "node").strip() == "unhealthy", 240, "it is unhealthy")
    finally:
        os.kill(guardian, signal.SIGCONT)
    c.wait(lambda: docker("inspect", "--format", health, "node").strip() == "healthy", 120, "it is healthy again")
    c.saw(f"unhealthy {took:.0f} s after its guardian hangs, healthy when it goes on")


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            found += [int(child) for child in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
    return found


def nspid(pid: int) -> int:
    """The number of a process in its own namespace."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))


def stops(c: Campaign, docker: Engine) -> None:
    """`docker stop`: SIGTERM, exit code 0, the volume has it all."""
    rows = docker.rows()
    processes = tree(int(docker("inspect", "--format", "{{.State.Pid}}", "node")))
    began = time.monotonic()
    docker("stop", "-t", str(STOP_S), "node", seconds=STOP_S + 30)
    took = time.monotonic() - began
    state = json.loads(docker("inspect", "--format", "{{json .State}}", "node"))
    if state["ExitCode"] != 0 or took >= STOP_S:
        raise CampaignError(f"exit code {state['ExitCode']} after {took:.0f} s: {docker('logs', 'node')}")
    if left := [pid for pid in processes if Path(f"/proc/{pid}").exists()]:
        raise CampaignError(f"left: {left}")
    out = docker.once("store", "/var/lib/rt-edge", "--format", "jsonl", options=("--volume", "rt-edge:/var/lib/rt-edge"))
    after = len(out.splitlines())
    if after < rows:
        raise CampaignError(f"{rows} rows before, {after} after")
    c.saw(f"{took:.1f} s, exit code 0, none of {len(processes)} processes left, {after} rows in the volume")


def body(c: Campaign) -> None:
    """The steps."""
    etc = c.folder / "etc"
    etc.mkdir(mode=0o755)
    with c.step("tools"):
        c.need("debootstrap", "buildah", "docker.io", *(() if platform.machine() == "aarch64" else ("qemu-user-static",)))
    with c.step("emulation of arm64"):
        emulation(c)
    with c.step("a base image"):
        base(c)
    with c.step("build of Dockerfile.arm64"):
        build(c)
    docker = Engine(c)
    with c.step("a Docker engine"):
        docker.start()
        docker("load", "--input", str(c.folder / "image.tar"))
    example = (ROOT / "config" / "simulated.yaml").read_text().replace("data: ./try-out-data", "data: /var/lib/rt-edge")
    (etc / "rt-edge.yaml").write_text(example)
    with c.step("version, adapters, check"):
        commands(c, docker, etc)
    with c.step("a node runs"):
        runs(c, docker, etc)
    with c.step("its health"):
        hears(c, docker)
    with c.step("stop"):
        stops(c, docker)


if __name__ == "__main__":
    sys.exit(Campaign("image", LIMIT_S).main(body))
