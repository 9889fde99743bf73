"""Reading a store back: identity, filters, gaps and tombstones, beside a live writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import encode_readings
from rt_edge.data.reading import Reading, gap_reading
from rt_edge.data.record import Gap, LaneId, Record, RecordKind, Tombstone
from rt_edge.testkit.store_contract import LANE, make_records
from rt_edge.uplink.stores.errors import StoreUnusable
from rt_edge.uplink.stores.query import Filter, StoredRow, StoreReader
from rt_edge.uplink.stores.sqlite import SqliteStore
from rt_edge.uplink.stores.tables import TABLES

SECOND = LaneId("edge-2", "hq", "main", bytes(16))
PUMP = [Reading("plc/pump-1", 1000 + i, {"pressure": float(i), "running": i % 2 == 0}) for i in range(10)]
FAN = [Reading("plc/fan", 2000 + i, {"rpm": i}) for i in range(5)]


def data(number: int, readings: list[Reading]) -> Record:
    return Record(number, number, RecordKind.DATA, len(readings), encode_readings(readings))


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """A store with two nodes; it stays open, as that of a running node."""
    made = SqliteStore(tmp_path / "store.db", SystemClock())
    made.open_session(LANE, "s")
    gap = Record(3, 3, RecordKind.GAP, 0, msgspec.msgpack.encode(Gap("plc/fan", "timeout", 1500, 1600)))
    stone = Record(4, 9, RecordKind.TOMBSTONE, 60, msgspec.msgpack.encode(Tombstone("drop_oldest", 6, 60, 1700)))
    made.commit(LANE, "s", 1, [data(1, PUMP), data(2, FAN), gap, stone])
    made.open_session(SECOND, "s")
    made.commit(SECOND, "s", 1, [data(1, [*PUMP[:2], gap_reading("plc/pump-1", "crc", 1100, 1200)])])
    return made


def ask(tmp_path: Path, **wanted: object) -> list[StoredRow]:
    with StoreReader(tmp_path / "store.db") as reader:
        return list(reader.rows(Filter(**wanted)))


def test_rows_have_their_identity_when_all_are_read(store: SqliteStore, tmp_path: Path) -> None:
    """Every reading comes with lane, number and index, in order, with gaps and tombstones in their places."""
    rows = ask(tmp_path)
    assert [(r.lane.node, r.number, r.index, r.kind) for r in rows[:2]] == [
        ("edge-1", 1, 0, "reading"),
        ("edge-1", 1, 1, "reading"),
    ]
    assert [r.reading for r in rows[:15]] == [*PUMP, *FAN]
    assert rows[15].gap == Gap("plc/fan", "timeout", 1500, 1600)
    assert (rows[16].number, rows[16].last, rows[16].tombstone) == (4, 9, Tombstone("drop_oldest", 6, 60, 1700))
    assert [(r.lane, r.kind) for r in rows[17:]] == [(SECOND, "reading"), (SECOND, "reading"), (SECOND, "gap")]
    assert rows[19].gap == Gap("plc/pump-1", "crc", 1100, 1200)
    assert all(r.received_at > 0 for r in rows)
    store.close()


def test_only_the_wanted_rows_come_when_there_is_a_filter(store: SqliteStore, tmp_path: Path) -> None:
    """Node, source, time, fields, kinds and limit, alone and together."""
    assert {r.lane.node for r in ask(tmp_path, node="edge-2")} == {"edge-2"}
    assert [r.reading for r in ask(tmp_path, source="plc/fan", kinds=frozenset({"reading"}))] == FAN
    assert len(ask(tmp_path, source="plc", kinds=frozenset({"reading"}))) == 17
    assert ask(tmp_path, source="pl", kinds=frozenset({"reading", "gap"})) == []
    times = [r.reading.ts for r in ask(tmp_path, since=1005, until=2002, node="edge-1") if r.reading]
    assert times == [1005, 1006, 1007, 1008, 1009, 2000, 2001]
    cut = ask(tmp_path, fields=frozenset({"running"}), node="edge-1", kinds=frozenset({"reading"}))
    assert [r.reading.fields for r in cut if r.reading] == [{"running": i % 2 == 0} for i in range(10)]
    assert len(ask(tmp_path, limit=4)) == 4
    assert ask(tmp_path, limit=0) == []
    assert [r.kind for r in ask(tmp_path, kinds=frozenset({"gap", "tombstone"}))] == ["gap", "tombstone", "gap"]
    store.close()


def test_lanes_are_summed_up_when_asked(store: SqliteStore, tmp_path: Path) -> None:
    """What is stored, dropped and missing, for each lane."""
    with StoreReader(tmp_path / "store.db") as reader:
        found = [(s.lane.node, s.position, s.records, s.readings, s.dropped, s.gaps) for s in reader.lanes()]
        assert found == [("edge-1", 9, 4, 15, 60, 1), ("edge-2", 1, 1, 3, 0, 0)]
        assert reader.store_id == store.store_id
    store.close()


def test_reading_goes_on_when_the_writer_commits_meanwhile(store: SqliteStore, tmp_path: Path) -> None:
    """A reader in the middle of its rows does not stop the writer, and sees what comes behind it."""
    store.commit(SECOND, "s", 2, make_records(2, 100, 10))
    with StoreReader(tmp_path / "store.db") as reader:
        rows = reader.rows(Filter(node="edge-2"))
        for _ in range(50):
            next(rows)
        assert store.commit(SECOND, "s", 102, make_records(102, 50, 10)) == 151
        assert sum(1 for _ in rows) == 3 + 1500 - 50
    store.close()


def test_a_row_says_so_when_a_payload_cannot_be_read(store: SqliteStore, tmp_path: Path) -> None:
    """A record of an unknown version is shown as unreadable, and the rest is shown."""
    store.commit(SECOND, "s", 2, [Record(2, 2, RecordKind.DATA, 3, b"\x09\x00\x90"), data(3, FAN)])
    assert store.unreadable == 1
    kinds = [r.kind for r in ask(tmp_path, node="edge-2", since=0)]
    assert kinds == ["reading", "reading", "gap", "unreadable", *["reading"] * 5]
    store.close()


@pytest.mark.parametrize("tables", [0, 1, 2])
def test_nothing_is_stored_yet_when_the_store_is_being_made(tables: int, tmp_path: Path) -> None:
    """A file with none or only some of its tables reads as an empty store, and the same reader sees what is stored then."""
    half = sqlite3.connect(tmp_path / "store.db")
    for table in TABLES[:tables]:
        half.execute(table)
    half.commit()
    with StoreReader(tmp_path / "store.db") as reader:
        assert list(reader.rows()) == []
        assert (reader.lanes(), reader.positions(), reader.store_id) == ([], {}, "")
        for table in TABLES[tables:]:
            half.execute(table)
        half.execute("PRAGMA user_version=1")
        half.execute("INSERT INTO meta VALUES ('store_id', 'x')")
        half.commit()
        half.close()
        made = SqliteStore(tmp_path / "store.db", SystemClock())
        made.open_session(LANE, "s")
        made.commit(LANE, "s", 1, [data(1, FAN)])
        assert [row.reading for row in reader.rows()] == FAN
        assert reader.store_id == "x"
        made.close()


@pytest.mark.parametrize("table", ["lane", "record", "other"])
def test_a_damaged_or_foreign_file_is_not_taken_for_one_that_is_being_made(table: str, tmp_path: Path) -> None:
    """A store that has lost a table has its version; another program's database has other tables."""
    conn = sqlite3.connect(tmp_path / "store.db")
    for statement in TABLES:
        conn.execute(statement)
    if table == "other":
        conn.execute("CREATE TABLE other(x)")
        conn.execute("DROP TABLE lane")
    else:
        conn.execute("PRAGMA user_version=1")
        conn.execute(f"DROP TABLE {table}")
    conn.commit()
    conn.close()
    with pytest.raises(StoreUnusable, match="is a database, but not a store"):
        StoreReader(tmp_path / "store.db")


def test_the_message_is_clear_when_there_is_no_store(tmp_path: Path) -> None:
    """Reading makes no file, and names the one that is missing or foreign."""
    with pytest.raises(StoreUnusable, match="there is no store at"):
        StoreReader(tmp_path / "store.db")
    (tmp_path / "garbage.db").write_bytes(b"x" * 9000)
    with pytest.raises(StoreUnusable, match=r"garbage\.db cannot be read"):
        StoreReader(tmp_path / "garbage.db")
    assert [p.name for p in tmp_path.iterdir()] == ["garbage.db"]
