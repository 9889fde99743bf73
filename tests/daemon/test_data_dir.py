"""Goal: one node a data directory, and a file that says where it is. Method: directories in a temporary folder, two holders."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from rt_edge.daemon.data_dir import NODE_FILE, DataDir, NodeFile, move_data, read_node_file
from rt_edge.data.errors import ConfigError, RefusedError
from rt_edge.settings.plan import NodeInfo, NodePlan, StorePlan

FILE = NodeFile("hall-3", 17, 4711, ("127.0.0.1", 4712), "127.0.0.1:1900")


def test_a_second_holder_is_refused_and_told_the_process_while_the_first_holds_it(tmp_path):
    """The lock is exclusive, names its holder, and is free again after `close`."""
    first = DataDir(tmp_path / "data")
    with pytest.raises(RefusedError, match=f"process {os.getpid()}"):
        DataDir(tmp_path / "data")
    first.close()
    DataDir(tmp_path / "data").close()


def test_the_holder_is_the_new_one_when_the_last_one_had_a_longer_number(tmp_path):
    """Nothing of an earlier holder is left in the lock file."""
    (tmp_path / "lock").write_text("99999999999999")
    held = DataDir(tmp_path)
    assert (tmp_path / "lock").read_text() == str(os.getpid())
    held.close()


def test_a_held_directory_leaks_no_descriptor_when_others_are_refused(tmp_path):
    """A refusal closes what it opened."""
    held = DataDir(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(RefusedError):
            DataDir(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    held.close()


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path):
    """A file in the way is named, with what to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"data directory .*file/data cannot be used.*node\.data"):
        DataDir(tmp_path / "file" / "data")


def test_what_is_published_is_read_back_and_gone_after_close(tmp_path):
    """`node.json` is private to its user and lives as long as the node."""
    held = DataDir(tmp_path)
    held.publish(FILE)
    assert read_node_file(tmp_path) == FILE
    assert stat.S_IMODE((tmp_path / NODE_FILE).stat().st_mode) == 0o600
    held.publish(FILE)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["node.json"]
    held.close()
    with pytest.raises(RefusedError, match="no node runs"):
        read_node_file(tmp_path)


def test_a_file_that_is_no_node_file_is_refused_with_its_path(tmp_path):
    """Half a file is not a node."""
    (tmp_path / "run").mkdir()
    (tmp_path / NODE_FILE).write_text('{"node": "x"')
    with pytest.raises(RefusedError, match=r"node\.json is not what a node writes"):
        read_node_file(tmp_path)


def test_the_lock_is_held_by_the_open_file_and_not_by_its_presence(tmp_path):
    """A lock file that a killed node has left behind does not keep the next one out."""
    DataDir(tmp_path).close()
    assert (tmp_path / "lock").exists()
    with (tmp_path / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_stores_of_the_data_directory_move_with_it_and_others_stay():
    """`--data` takes along what lies below the configured directory, and nothing else."""
    stores = {
        "inside": StorePlan("sqlite", "/var/lib/rt-edge/store/main.db"),
        "outside": StorePlan("sqlite", "/srv/big/main.db"),
        "beside": StorePlan("sqlite", "/var/lib/rt-edge-2/main.db"),
        "none": StorePlan("postgres", ""),
    }
    moved = move_data(NodePlan(NodeInfo("n", "/var/lib/rt-edge"), stores=stores), Path("/tmp/x"))
    assert moved.node == NodeInfo("n", "/tmp/x")
    assert {name: store.path for name, store in moved.stores.items()} == {
        "inside": "/tmp/x/store/main.db",
        "outside": "/srv/big/main.db",
        "beside": "/var/lib/rt-edge-2/main.db",
        "none": "",
    }


def test_a_directory_is_refused_when_everybody_may_write_into_it(tmp_path: Path) -> None:
    """Also one that was named on the command line, where no configuration was checked; what to do is said, nothing is held."""
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="everybody may write") as caught:
        DataDir(tmp_path)
    assert "chmod o-w" in str(caught.value)
    tmp_path.chmod(0o700)
    DataDir(tmp_path).close()
