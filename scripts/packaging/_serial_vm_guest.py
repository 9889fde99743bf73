"""A node whose cable is pulled and put back: runs inside the machine that _serial_vm.py starts, and says a line for each step."""

from __future__ import annotations

import asyncio
import faulthandler
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from _serial_vm_cable import Hand, Instrument

from adapters.serial import SerialAdapter
from adapters.serial.settings import SerialSettings
from rt_edge.testkit.adapter_harness import AdapterHarness
from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.uplink.stores.errors import StoreIoError
from rt_edge.uplink.stores.query import Filter, StoredRow, StoreReader

STEP_S = 90.0
READINGS = 20
TRIES = 2
OTHER_FROM = 1_000_000
AWAY, BACK = "adapter is not connected", "adapter is connected again"
CONFIG = """
node: {{id: vm, data: {data}}}
adapters:
  balance:
    kind: serial
    port: {port}
    baud: 9600
    framing: {{kind: delimiter, delimiter: "\\n"}}
    listen:
      device: scale
      format: {{kind: regex, pattern: '^n=(?P<n>[0-9]+)$', fields: {{n: {{type: int}}}}}}
graphs:
  kept: [{{from: balance}}, {{to: kept}}]
stores:
  kept: {{kind: sqlite, path: store/kept.db}}
"""


class Run:
    """The steps."""

    def __init__(self) -> None:
        hand = Hand()
        self.balance = Instrument(hand, "balance", 0)
        self.other = Instrument(hand, "other", OTHER_FROM)
        self._folder = Path(tempfile.mkdtemp())
        self._node: NodeProcess | None = None

    @property
    def node(self) -> NodeProcess:
        """The node; there is one after `reads`."""
        assert self._node is not None
        return self._node

    def named(self) -> str:
        """a cable is plugged in: its name by id, and rt-edge scan serial"""
        device = self.balance.plug()
        link = self.balance.link
        assert link is not None
        assert device == "ttyUSB0", device
        command = [sys.executable, "-m", "rt_edge.cli.app", "scan", "serial", "--json"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=STEP_S, check=True).stdout
        assert str(link) in said, said
        return f"{link.name}, now {device}; found by the scan"

    def unread(self) -> str:
        """the cable is pulled while the port is not read, for want of demand: noticed, too"""
        return asyncio.run(self._unread())

    async def _unread(self) -> str:
        folder = self._folder / "unread"
        folder.mkdir()
        listen = {
            "device": "scale",
            "format": {"kind": "regex", "pattern": "^n=(?P<n>[0-9]+)$", "fields": {"n": {"type": "int"}}},
        }
        framing = {"kind": "delimiter", "delimiter": "\n"}
        settings = {"port": str(self.balance.link), "flow_control": "rts_cts", "framing": framing, "listen": listen}
        h = AdapterHarness(SerialAdapter, SerialSettings.model_validate(settings), folder, "balance")
        await h.open()
        await h.quiet(1.0)
        assert h.emitted == []
        assert h.context.losses == []
        began = time.monotonic()
        await asyncio.to_thread(self.balance.pull)
        await h.until(lambda: bool(h.context.losses), STEP_S)
        noticed = time.monotonic() - began
        await h.close()
        (error,) = h.context.losses
        await asyncio.to_thread(self.balance.plug)
        return f"after {noticed:.1f} s: {error}; plugged in again as {self.balance.device}"

    def reads(self) -> str:
        """a node reads through it"""
        data = self._folder / "node"
        config = self._folder / "edge.yaml"
        config.write_text(CONFIG.format(data=data, port=self.balance.link))
        self._node = NodeProcess(config, data, self._folder / "log")
        began = time.monotonic()
        self._node.start(wait=False)
        counts = self._more(READINGS)
        assert counts == list(range(counts[0], counts[0] + len(counts))), counts
        return f"{len(counts)} readings after {time.monotonic() - began:.0f} s, one for one"

    def pulled(self) -> str:
        """the cable is pulled: said once"""
        return self._pulled(1, TRIES)

    def elsewhere(self) -> str:
        """it is back while another cable has its number: said once, and readings flow"""
        taken = self.other.plug()
        assert taken == "ttyUSB0", taken
        return f"{taken} is another's; {self._back(1, 'ttyUSB1')}"

    def pulled_again(self) -> str:
        """both cables are pulled: said once"""
        said = self._pulled(2, 1)  # the waits between tries have become long by now
        self.other.pull()
        return said

    def first_number(self) -> str:
        """it is back with its first number: said once, and readings flow"""
        return self._back(2, "ttyUSB0")

    def kept(self) -> str:
        """what the store has at the end"""
        code = self.node.stop()
        assert code == 0, (code, self.node.log()[-800:])
        rows = self._rows(None)
        counts = [self._count(row) for row in rows if row.kind == "reading"]
        assert counts == sorted(set(counts)), counts
        assert counts[-1] < OTHER_FROM, counts
        gaps = [row.gap for row in rows if row.gap is not None]
        assert [(gap.source, gap.reason) for gap in gaps] == [("balance/scale", "disconnected")] * 2, gaps
        for line in (AWAY, BACK):
            assert self._said(line) == 2, self.node.log()[-2000:]
        times = [row.reading.ts for row in rows if row.reading is not None]
        assert not [ts for ts in times for gap in gaps if gap.start < ts < gap.end], (times, gaps)
        lasted = ", ".join(f"{(gap.end - gap.start) / 1e9:.1f} s" for gap in gaps)
        said = f"{len(counts)} readings, none twice and none of the other; two gaps `disconnected`, with none in them: {lasted}"
        return f"{said}; {len(self.balance.heard)} bytes were sent to it"

    # -- parts -------------------------------------------------------------------------------------------------------

    def _pulled(self, times: int, more: int) -> str:
        tries = self._tries()
        began = time.monotonic()
        self.balance.pull()
        wait_until(lambda: self._said(AWAY) == times, STEP_S, lambda: f"it says so; the log: {self.node.log()[-800:]}")
        noticed = time.monotonic() - began
        wait_until(lambda: self._tries() > tries + more, STEP_S, "it tries again and again")  # the loss itself counts as one
        member = self.node.member("adapter/balance")
        assert member is not None
        assert member.adapter is not None
        assert member.adapter.state in ("waiting", "opening"), member.adapter
        assert self._said(AWAY) == times, self.node.log()[-2000:]
        return f"said after {noticed:.1f} s, and not again (tries since: {more}); status: {member.adapter.error}"

    def _back(self, times: int, device: str) -> str:
        began = time.monotonic()
        assert self.balance.plug() == device, self.balance.device
        wait_until(lambda: self._said(BACK) == times, STEP_S, lambda: f"it is back; the log: {self.node.log()[-800:]}")
        waited = time.monotonic() - began
        self._more(READINGS)
        held = self._held()
        assert held == {device}, held
        return f"by {device} after {waited:.1f} s, {READINGS} more readings; the node holds {device} and no other"

    def _held(self) -> set[str]:
        """Serial ports that the node's processes have open."""
        found = set()
        for pid in self.node.family():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    target = str(entry.readlink())
                except FileNotFoundError:
                    continue
                if target.startswith("/dev/ttyUSB"):
                    found.add(target.removeprefix("/dev/"))
        return found

    def _tries(self) -> int:
        member = self.node.member("adapter/balance")
        return member.adapter.counters.get("reconnects", 0) if member is not None and member.adapter is not None else 0

    def _said(self, line: str) -> int:
        return self.node.log().count(line)

    def _more(self, many: int) -> list[int]:
        """Wait for so many more readings in the store; what they count."""
        before = time.time_ns()
        found: list[int] = []

        def enough() -> bool:
            found[:] = [self._count(row) for row in self._rows(before) if row.kind == "reading"]
            return len(found) >= many

        wait_until(enough, STEP_S, lambda: f"{many} readings, not {len(found)}; the log: {self.node.log()[-800:]}")
        return found

    def _rows(self, since: int | None) -> list[StoredRow]:
        store = self.node.data / "store/kept.db"
        if not store.exists():
            return []
        try:
            with StoreReader(store) as reader:
                return list(reader.rows(Filter(since=since)))
        except StoreIoError:  # its tables are still being made
            return []

    @staticmethod
    def _count(row: StoredRow) -> int:
        assert row.reading is not None
        return int(row.reading.fields["n"])

    def all(self) -> int:
        """Each step in its turn; the first that fails is the last. How many failed."""
        steps: list[Callable[[], str]] = [
            *(self.named, self.unread, self.reads, self.pulled, self.elsewhere, self.pulled_again, self.first_number, self.kept)
        ]
        done = 0
        try:
            for step in steps:
                began = time.monotonic()
                faulthandler.dump_traceback_later(4 * STEP_S, exit=True)  # where it hangs, if it does
                said = step()
                done += 1
                print(f"ok {step.__doc__} ({time.monotonic() - began:.1f} s): {said}", flush=True)
        except Exception as error:  # noqa: BLE001 - whatever a step raises is said
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} (line {where.lineno}: {where.line})"
            print(f"FAILED {steps[done].__doc__}: {' '.join(said.split())[:2000]}", flush=True)
        print(f"verdict: {done} of {len(steps)} steps", flush=True)
        return len(steps) - done


if __name__ == "__main__":
    sys.exit(Run().all() > 0)
