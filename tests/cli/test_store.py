"""`rt-edge store`: table, JSON lines and CSV, filters, following, and what ends it."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from rt_edge.cli.app import main
from rt_edge.cli.store_formats import TableLines, field_names, iso, local
from rt_edge.data.clock import SystemClock
from rt_edge.data.codec import encode_readings
from rt_edge.data.errors import RefusedError
from rt_edge.data.reading import Reading
from rt_edge.data.record import Gap, LaneId, Record, RecordKind, Tombstone
from rt_edge.testkit.node_process import wait_until
from rt_edge.uplink.stores.query import StoredRow
from rt_edge.uplink.stores.sqlite import SqliteStore
from rt_edge.uplink.stores.tables import TABLES

LANE = LaneId("edge-1", "hq", "main", bytes(16))
T = 1_700_000_000_000_000_000
S = 1_000_000_000
PUMP = [Reading("plc/pump-1", T + i * S, {"pressure": i / 2, "running": i % 2 == 0}) for i in range(10)]
FAN = [Reading("plc/fan", T + i * S, {"rpm": i, "text": 'a,"b"\n'}, "uncertain", held=i == 2) for i in range(3)]
RUN = [sys.executable, "-m", "rt_edge.cli.app", "store"]


def data(number: int, readings: list[Reading]) -> Record:
    return Record(number, number, RecordKind.DATA, len(readings), encode_readings(readings))


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """A store that a node has open."""
    (tmp_path / "store").mkdir()
    made = SqliteStore(tmp_path / "store" / "main.db", SystemClock())
    made.open_session(LANE, "s")
    gap = Record(3, 3, RecordKind.GAP, 0, msgspec.msgpack.encode(Gap("plc/fan", "timeout", T, T + S)))
    stone = Record(4, 9, RecordKind.TOMBSTONE, 60, msgspec.msgpack.encode(Tombstone("drop_oldest", 6, 60, T)))
    made.commit(LANE, "s", 1, [data(1, PUMP), data(2, FAN), gap, stone])
    return made


def run(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    assert main(["store", *args]) == 0
    return capsys.readouterr().out.splitlines()


def test_prints_a_line_a_reading_when_stdout_is_a_pipe(store, tmp_path, capsys) -> None:
    """Time, source and fields, separated by tabs; gaps only when asked for; by file, data directory and configuration alike."""
    lines = run(capsys, str(tmp_path / "store" / "main.db"))
    assert len(lines) == 13
    assert lines[1] == "2023-11-14T22:13:21Z\tplc/pump-1\tpressure=0.5  running=False"
    assert lines[10].endswith("\tplc/fan\trpm=0  text='a,\"b\"\\n'  (uncertain)")
    assert lines[12].endswith("  (uncertain, held)")
    config = tmp_path / "up.yaml"
    config.write_text(
        "node: {id: up-a, data: .}\ningress: {listen: '127.0.0.1:0', store: main}\nstores: {main: {kind: sqlite}}\n"
    )
    assert lines == run(capsys, str(tmp_path)) == run(capsys, "--data", str(tmp_path)) == run(capsys, str(config))
    with_gaps = run(capsys, str(tmp_path), "--gaps")
    assert [line.split("\t")[1:] for line in with_gaps[13:]] == [
        ["plc/fan", f"GAP until {local(T + S)}: timeout"],
        ["hq", "DROPPED 60 readings in 6 records: drop_oldest"],
    ]


def test_has_a_head_and_columns_when_people_look() -> None:
    """On a terminal times are local, and columns are aligned."""
    out = io.StringIO()
    lines = TableLines(out, terminal=True)
    lines.row(StoredRow(LANE, 1, 1, 0, "reading", T, reading=PUMP[0]))
    lines.row(StoredRow(LANE, 1, 1, 1, "reading", T, reading=Reading("a", T, {"x": 1.23456789, "b": b"\x01\x02"})))
    head, first, second = out.getvalue().splitlines()
    assert head.split() == ["time", "source", "fields"]
    assert first == f"{local(T)}  plc/pump-1    pressure=0  running=True"
    assert second == f"{local(T)}  a             x=1.23457  b=0102"


def test_prints_everything_known_when_json_lines_are_asked_for(store, tmp_path, capsys) -> None:
    """One object a line, with the identity of each reading."""
    rows = [json.loads(line) for line in run(capsys, str(tmp_path), "--format", "jsonl", "--gaps")]
    assert rows == [json.loads(line) for line in run(capsys, str(tmp_path), "--json", "--gaps")]
    assert rows[1] | {"stored_at": 0} == {
        "kind": "reading",
        "node": "edge-1",
        "route": "hq",
        "lane": "main",
        "epoch": "00" * 16,
        "number": 1,
        "index": 1,
        "stored_at": 0,
        "time": "2023-11-14T22:13:21Z",
        "source": "plc/pump-1",
        "ts": T + S,
        "fields": {"pressure": 0.5, "running": False},
        "quality": "good",
        "tags": {},
        "received": 0,
        "held": False,
    }
    assert (rows[13]["kind"], rows[13]["reason"], rows[13]["end"]) == ("gap", "timeout", T + S)
    assert (rows[14]["kind"], rows[14]["number"], rows[14]["last"], rows[14]["readings"]) == ("tombstone", 4, 9, 60)


def test_has_a_column_for_each_field_when_csv_is_asked_for(store, tmp_path, capsys) -> None:
    """The union of all fields, found in a first pass; text with quotes and line ends comes back as it was."""
    assert main(["store", str(tmp_path), "-f", "csv", "--gaps"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["kind"] for row in rows] == ["reading"] * 13 + ["gap", "tombstone"]
    assert (rows[1]["time"], rows[1]["pressure"], rows[1]["running"], rows[1]["rpm"]) == (
        "2023-11-14T22:13:21Z",
        "0.5",
        "false",
        "",
    )
    assert rows[10]["text"] == 'a,"b"\n'


def test_prints_only_what_is_wanted_when_there_are_filters(store, tmp_path, capsys) -> None:
    """Node, source, times, fields and limit, alone and together."""
    assert len(run(capsys, str(tmp_path), "--source", "plc/fan")) == 3
    assert run(capsys, str(tmp_path), "--node", "edge-2") == []
    since, until = iso(T + 2 * S), iso(T + 4 * S)
    lines = run(capsys, str(tmp_path), "--source", "plc/pump-1", "--since", since, "--until", until)
    assert [line.split("\t")[0] for line in lines] == [iso(T + 2 * S), iso(T + 3 * S)]
    assert run(capsys, str(tmp_path), "--since", "1h ago") == []
    assert len(run(capsys, str(tmp_path), "-n", "4")) == 4
    lines = run(capsys, str(tmp_path), "-f", "csv", "--fields", "rpm,pressure", "-n", "1")
    assert lines == [
        "time,node,source,kind,quality,note,rpm,pressure",
        "2023-11-14T22:13:20Z,edge-1,plc/pump-1,reading,good,,,0.0",
    ]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["none.db"], 3, "there is no store at none.db"),
        (["--data", "none"], 3, "there is no data directory none"),
        (["--since", "yesterday"], 2, "is no time"),
        (["-f", "csv", "--follow"], 2, "--fields"),
        (["-f", "xml"], 2, "xml"),
        (["junk.db"], 3, "junk.db"),
    ],
)
def test_says_what_is_wrong_when_it_cannot_read(
    args: list[str], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One clear line and the exit code of its kind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.db").write_bytes(b"y" * 5000)
    assert main(["store", *args]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert code == 2 or len(captured.err.splitlines()) == 1


@pytest.mark.parametrize("tables", [0, 1, 2])
def test_prints_nothing_when_the_store_is_just_being_made(
    tables: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is stored yet, which is no error."""
    conn = sqlite3.connect(tmp_path / "half.db")
    for table in TABLES[:tables]:
        conn.execute(table)
    conn.commit()
    conn.close()
    (tmp_path / "half.db").touch()
    assert run(capsys, str(tmp_path / "half.db")) == []
    assert run(capsys, str(tmp_path / "half.db"), "--json") == []


def test_asks_which_when_there_are_several_stores(store, tmp_path, capsys) -> None:
    """A data directory with two stores is not guessed at."""
    SqliteStore(tmp_path / "store" / "other.db", SystemClock()).close()
    assert main(["store", str(tmp_path)]) == 3
    assert "has several stores (name one: " in capsys.readouterr().err


def test_refuses_a_table_without_end_when_fields_are_too_many() -> None:
    """A CSV of more than 500 columns has to be asked for by name."""
    rows = (StoredRow(LANE, 1, 1, i, "reading", T, reading=Reading("x", T, {f"f{i}": 1})) for i in range(600))
    with pytest.raises(RefusedError, match="more than 500 fields"):
        field_names(rows)


def test_is_quiet_when_the_reader_of_the_pipe_has_seen_enough(tmp_path: Path) -> None:
    """`rt-edge store | head -2` ends with exit code 0 and nothing on stderr, though there is much more to print."""
    fill(tmp_path, 40)
    process = subprocess.Popen([*RUN, "--data", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline().count(b"\t") == 2
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


def fill(folder: Path, records: int, pad: int = 100) -> None:
    """A store of `records` records of 1,000 readings each."""
    (folder / "store").mkdir()
    store = SqliteStore(folder / "store" / "main.db", SystemClock())
    store.open_session(LANE, "s")
    for number in range(1, records + 1):
        readings = [Reading("sim/one", T + i, {"n": number * 1000 + i, "pad": b"\0" * pad}) for i in range(1000)]
        store.commit(LANE, "s", number, [data(number, readings)])
    store.close()


def test_needs_no_memory_for_what_it_has_printed_when_the_store_is_large(tmp_path: Path) -> None:
    """Peak memory is nearly the same for 5,000 readings and for 100,000, in CSV with its first pass."""

    def peak(name: str, records: int) -> int:
        folder = tmp_path / name
        folder.mkdir()
        fill(folder, records, pad=300)
        code = (
            "import resource, sys; from rt_edge.cli.app import main; code = main(sys.argv[1:]);"
            "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); sys.exit(code)"
        )
        command = [sys.executable, "-c", code, "store", "--data", str(folder), "-f", "csv"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, timeout=60)
        return int(done.stderr)

    small, large = peak("small", 5), peak("large", 100)
    assert large - small < 20_000, f"{small} kB for 5,000 readings, {large} kB for 100,000"


def test_goes_on_with_what_comes_in_when_it_follows(store: SqliteStore, tmp_path: Path) -> None:
    """New readings are printed as they are stored, each once, until Ctrl-C, which is exit code 0."""
    command = [*RUN, "--data", str(tmp_path), "--follow", "--source", "plc/fan"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    seen: list[str] = []
    reader = threading.Thread(target=lambda out: seen.extend(iter(out.readline, "")), args=(process.stdout,))
    reader.start()
    try:
        wait_until(lambda: len(seen) >= 3, 20, lambda: str(seen))
        store.commit(LANE, "s", 10, [data(10, PUMP)])
        store.commit(LANE, "s", 11, [data(11, FAN[:2])])
        wait_until(lambda: len(seen) >= 5, 20, lambda: str(seen))
        process.send_signal(2)
        assert process.wait(20) == 0
        reader.join(20)
        assert len(seen) == 5
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        store.close()


def test_shows_any_time_when_a_device_says_nonsense() -> None:
    """A time beyond the calendar is shown as its number; one before 1970 as what it is."""
    assert iso(10**30) == str(10**30)
    assert local(-(10**30)) == str(-(10**30))
    assert iso(-S) == "1969-12-31T23:59:59Z"
    assert iso(T + 250_000_000) == "2023-11-14T22:13:20.250Z"
