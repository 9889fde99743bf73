"""The SQLite store under the contract of all stores, and what is its own."""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.spool.database import connect
from rt_edge.testkit.spool_bench import FailingSqlite
from rt_edge.testkit.store_contract import LANE, ContractStore, StoreContract, make_records
from rt_edge.uplink.stores.errors import StoreIoError, StoreUnusable
from rt_edge.uplink.stores.query import StoreReader
from rt_edge.uplink.stores.sqlite import SqliteStore


class TestSqliteStore(StoreContract):
    def open(self) -> ContractStore:
        return SqliteStore(self.folder / "store" / "store.db", SystemClock())


def test_the_message_is_clear_when_the_file_is_not_a_store(tmp_path: Path) -> None:
    """Garbage, a foreign database and a newer store are refused with the path and what to do, and are not changed."""
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"x" * 9000)
    with pytest.raises(StoreUnusable, match=r"garbage\.db cannot be used: file is not a database"):
        SqliteStore(garbage, SystemClock())
    assert garbage.read_bytes() == b"x" * 9000
    foreign = tmp_path / "foreign.db"
    conn = sqlite3.connect(foreign)
    conn.execute("CREATE TABLE recipes(name TEXT)")
    conn.close()
    with pytest.raises(StoreUnusable, match="not a store"):
        SqliteStore(foreign, SystemClock())
    newer = tmp_path / "newer.db"
    SqliteStore(newer, SystemClock()).close()
    conn = sqlite3.connect(newer)
    conn.execute("PRAGMA user_version=9")
    conn.close()
    with pytest.raises(StoreUnusable, match="newer rt_edge"):
        SqliteStore(newer, SystemClock())
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="cannot be made"):
        SqliteStore(tmp_path / "file" / "store.db", SystemClock())


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_data_and_position_stay_together_when_the_nth_statement_fails(tmp_path: Path, code: int) -> None:
    """Whichever statement fails, the position is that of the data, and the commit can be made again."""
    n = 0
    while True:
        n += 1
        sqlite = FailingSqlite(n, code)
        path = tmp_path / f"{n}.db"
        done = 0
        store = None
        for _ in range(2):
            try:
                store = store or SqliteStore(path, SystemClock(), sqlite)
                done = store.open_session(LANE, "s")
                while done < 4:
                    done = store.commit(LANE, "s", done + 1, make_records(done + 1, 2), done + 2)
                break
            except StoreIoError:
                continue
        sqlite.at = 0
        assert store is not None
        assert store.position(LANE) == done == 4
        assert store.read(LANE, 1, 9, 10**6) == make_records(1, 4)
        store.close()
        if not sqlite.failed:
            break
    assert n > 20


WRITER = """
import os, sys
from pathlib import Path
from rt_edge.data.clock import SystemClock
from rt_edge.testkit.store_contract import LANE, make_records
from rt_edge.uplink.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]), SystemClock())
position = store.open_session(LANE, str(os.getpid()))
os.write(1, b"%d\\n" % position)
while True:
    position = store.commit(LANE, str(os.getpid()), position + 1, make_records(position + 1, 5, 3), position + 5)
    os.write(1, b"%d\\n" % position)
"""


def test_what_was_committed_is_there_when_the_process_is_killed(tmp_path: Path) -> None:
    """After kill -9 the position is at least what `commit` had returned, and every record up to it is there once."""
    seed = int(os.environ.get("RT_EDGE_SEED", str(random.SystemRandom().randrange(2**32))))
    print(f"RT_EDGE_SEED={seed}")
    rng = random.Random(seed)
    path = tmp_path / "store.db"
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        out, said, wanted = child.stdout.fileno(), b"", rng.randint(1, 60)
        while said.count(b"\n") < wanted:
            assert select.select([out], [], [], 30.0)[0]
            said += os.read(out, 65536)
        child.send_signal(signal.SIGKILL)
        while piece := os.read(out, 65536):
            said += piece
        child.wait()
        child.stdout.close()
        acknowledged = int(said.decode().splitlines()[-1])
        store = SqliteStore(path, SystemClock())
        position = store.position(LANE)
        assert position >= acknowledged
        assert store.checksum(LANE) == (position or 0)
        store.close()
    with StoreReader(path) as reader:
        values = [row.reading.fields["n"] for row in reader.rows() if row.reading is not None]
        assert values == list(range(3, 3 + 3 * position))


def test_every_commit_is_synced_when_the_store_writes(tmp_path: Path) -> None:
    """A confirmed record survives a power cut of the upstream node: the log is synced at each commit (FULL)."""
    made: list[sqlite3.Connection] = []

    def remember(path: Path) -> sqlite3.Connection:
        made.append(connect(path))
        return made[-1]

    store = SqliteStore(tmp_path / "x.db", SystemClock(), connect=remember)
    try:
        assert made[-1].execute("PRAGMA synchronous").fetchone() == (2,)
        assert made[-1].execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        store.close()
