"""What a node keeps on disk is readable by its own user alone, whatever the umask it was started with."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from rt_edge.daemon.data_dir import DataDir, NodeFile
from rt_edge.data.clock import SystemClock
from rt_edge.spool.pending import Pending
from rt_edge.spool.spool import Spool
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.uplink.stores.sqlite import SqliteStore

NODE = """
node: {{id: alone, data: {data}}}
island: all
adapters:
  sim: {{kind: simulated, devices: 2, every: 50ms}}
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:1
    username: edge
    password: {literal}
    subscribe: [{{filter: "a/#"}}]
  other:
    kind: mqtt
    url: mqtt://127.0.0.1:1
    username: edge
    password: {{env: RT_EDGE_TEST_SECRET}}
    subscribe: [{{filter: "b/#"}}]
stores: {{main: {{kind: sqlite, path: main.db}}}}
ingress: {{listen: "127.0.0.1:0", store: main}}
graphs:
  telemetry: [{{from: [sim, broker, other]}}, {{to: hq}}]
uplinks:
  hq: {{peers: ["127.0.0.1:1"], spool: {{max: 8MB}}}}
telemetry: {{log_level: debug}}
"""
LITERAL, FROM_ENVIRONMENT = "hunter2-in-the-file", "hunter3-in-the-environment"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """As careless as it gets."""
    before = os.umask(0)
    yield
    os.umask(before)


def public(folder: Path) -> dict[str, str]:
    """Files and folders below, and the folder itself, that others may use, with their modes."""
    return {
        str(path): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in (folder, *folder.rglob("*"))
        if stat.S_IMODE(path.lstat().st_mode) & 0o077
    }


@pytest.mark.usefixtures("open_umask")
def test_databases_are_private_when_they_are_new(tmp_path: Path) -> None:
    """Spool and store, their logs and folders, are the user's alone from the first byte."""
    spool = Spool.open(tmp_path / "d" / "hq.db", "n", "hq", SystemClock(), 8_000_000, reserve=0)
    store = SqliteStore(tmp_path / "s" / "main.db", SystemClock())
    try:
        spool.append([Pending(b"x" * 100, 1)])
        assert list((tmp_path / "d").glob("*.db-wal"))
        assert not public(tmp_path / "d") | public(tmp_path / "s")
    finally:
        spool.close()
        store.close()


@pytest.mark.usefixtures("open_umask")
def test_databases_become_private_when_an_older_version_made_them_readable(tmp_path: Path) -> None:
    """What others could read is closed to them when it is opened next."""
    folder = tmp_path / "d"
    folder.mkdir(mode=0o700)
    for _ in range(2):
        store = SqliteStore(folder / "main.db", SystemClock())
        assert not public(folder)
        for file in folder.iterdir():
            file.chmod(0o644)
        store.close()
    SqliteStore(folder / "main.db", SystemClock()).close()
    assert not public(folder)


@pytest.mark.usefixtures("open_umask")
def test_data_directory_is_private_when_it_is_new(tmp_path: Path) -> None:
    """The directory itself, not only what is in it."""
    data = DataDir(tmp_path / "a")
    data.publish(NodeFile("n", 1, 2, ("127.0.0.1", 3)))
    assert not public(tmp_path / "a")
    data.close()


@pytest.mark.e2e
@pytest.mark.usefixtures("open_umask")
def test_nothing_is_public_and_no_secret_is_seen_when_a_whole_node_runs(tmp_path: Path) -> None:
    """Files, log at level debug, status, command lines of all processes: private, and without the passwords."""
    config = tmp_path / "node.yaml"
    config.write_text(NODE.format(data=tmp_path / "data", literal=LITERAL))
    node = NodeProcess(config, tmp_path / "data", tmp_path / "log", {"RT_EDGE_TEST_SECRET": FROM_ENVIRONMENT})
    node.start()
    try:
        wait_until(
            lambda: (m := node.member("uplink/hq")) is not None and m.uplink is not None and m.uplink.records > 0, 20, "data"
        )
        wait_until(lambda: node.log().count("adapter is not connected") >= 2, 20, lambda: node.log()[-500:])
        assert not public(tmp_path / "data")
        commands = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in node.family())
        files = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
        seen = {"log": node.log().encode(), "status": repr(node.status()).encode(), "commands": commands, "files": files}
        for where, text in seen.items():
            assert text, where
            assert LITERAL.encode() not in text, where
            assert FROM_ENVIRONMENT.encode() not in text, where
    finally:
        node.stop()
