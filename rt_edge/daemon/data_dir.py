"""The data directory of a node: its lock, and the file that tells others where the node is."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import msgspec

from rt_edge.data.errors import ConfigError, RefusedError
from rt_edge.settings.plan import NodePlan, StorePlan

NODE_FILE = Path("run") / "node.json"


class NodeFile(msgspec.Struct, frozen=True):
    """What `run/node.json` says: how to reach the running node from this host, as the same user.

    Attributes:
        node: its id.
        pid: of the main process.
        port: of the actor system's admin, on loopback.
        guardian: host and port of the guardian.
        listen: where the ingress listens, `host:port`; empty without one.
    """

    node: str
    pid: int
    port: int
    guardian: tuple[str, int]
    listen: str = ""


class DataDir:
    """A node's data directory, held by one node at a time.

    Args:
        path: made if it is not there, mode 0700.

    Raises:
        ConfigError: it cannot be made or written, or everybody may write into it.
        RefusedError: another node holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)  # `parents` takes the mode for the last one only
            (path / "run").mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the data directory {path} cannot be used: {error.strerror}", "change node.data, or its owner"
            ) from error
        if path.stat().st_mode & stat.S_IWOTH:  # whoever may write here may replace what is sent upstream, and the keys
            os.close(self._lock)
            raise ConfigError(f"everybody may write into the data directory {path}", f"run `chmod o-w {path}`")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._lock)
            raise RefusedError(
                f"{path} belongs to a node that runs (process {holder})", "stop it, or use another node.data"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def publish(self, file: NodeFile) -> None:
        """Write `run/node.json`, whole or not at all."""
        target = self.path / NODE_FILE
        temporary = target.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(file)))
        temporary.chmod(0o600)
        temporary.replace(target)

    def withdraw(self) -> None:
        """Remove `run/node.json`."""
        (self.path / NODE_FILE).unlink(missing_ok=True)

    def close(self) -> None:
        """Let the directory go."""
        self.withdraw()
        os.close(self._lock)


def read_node_file(path: Path) -> NodeFile:
    """What the node of a data directory has published.

    Raises:
        RefusedError: there is no node, or the file is not one.
    """
    try:
        return msgspec.json.decode((path / NODE_FILE).read_bytes(), type=NodeFile)
    except FileNotFoundError as error:
        raise RefusedError(f"no node runs on {path}", "start one with rt-edge run") from error
    except msgspec.DecodeError as error:
        raise RefusedError(f"{path / NODE_FILE} is not what a node writes: {error}") from error


def move_data(plan: NodePlan, data: Path) -> NodePlan:
    """`plan` on another data directory: with it move the stores that lie in the directory of the configuration.

    Args:
        data: absolute.
    """
    old = Path(plan.node.data)

    def moved(store: StorePlan) -> StorePlan:
        path = Path(store.path)
        if not store.path or not path.is_relative_to(old):
            return store
        return msgspec.structs.replace(store, path=str(data / path.relative_to(old)))

    node = msgspec.structs.replace(plan.node, data=str(data))
    return msgspec.structs.replace(plan, node=node, stores={name: moved(store) for name, store in plan.stores.items()})
