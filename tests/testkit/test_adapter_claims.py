"""Claims of the adapter contract that are easily lost: each has an adapter that breaks it alone, and is found by it alone."""

from __future__ import annotations

import asyncio
import linecache
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest

from rt_edge.sdk import DeviceAdapter, FatalAdapterError, Reading
from rt_edge.testkit.adapter_harness import AdapterHarness
from tests.testkit.contract_runs import findings
from tests.testkit.test_adapter_contract import Bench, Good, Suite

LATER_S = 0.02
"""When some of them do what they should not: after whoever asks at once has asked, before a claim of quiet ends."""


class Proclaiming(Good):
    """Says itself that it is back, which its runner says."""

    was_cut = False

    async def open(self) -> None:
        await super().open()
        if self.was_cut:
            self.context.log("info", "the device is connected again")
        self.was_cut = False

    def cut(self) -> None:
        self.was_cut = True
        super().cut()


class Keeping(Good):
    """Has received something before it was closed, and hands it on when somebody asks: the contract lets it."""

    def demand(self, n: int) -> None:
        if not self.is_open and self.stock:
            self.stock -= 1
            (reading,) = self.readings(1)
            self.context.emit([Reading(reading.source, 0, reading.fields, received=self.receive())])
            n -= 1
        super().demand(n)

    def receive(self) -> int:
        return 1


class Undead(Keeping):
    """As `Keeping`, but it asks its device then."""

    def receive(self) -> int:
        return self.context.clock.wall_ns()


class Lingering(Good):
    """Hands on what it has kept, but not at once: it has left a timer."""

    def demand(self, n: int) -> None:
        super().demand(n)
        if not self.is_open and self.stock:
            asyncio.get_running_loop().call_later(LATER_S, self.flow_on)

    def flow_on(self) -> None:
        if not self.is_open:
            self.is_open = True
            self.flow()
            self.is_open = False


class Trusting(Good):
    """Opens what was there the last time, whatever is there now, and then has failed: its node has been started."""

    believes = False

    async def open(self) -> None:
        if self.there or not self.believes:
            await super().open()
            self.believes = True
            return
        self.believes = False
        self.context.lost(FatalAdapterError("it is not there"))

    def cut(self) -> None:
        self.believes = False
        super().cut()


class Impatient(Good):
    """Where nobody has ever asked, it begins by itself after a while."""

    wanted = False

    def demand(self, n: int) -> None:
        self.wanted = True
        super().demand(n)

    def flow(self) -> None:
        super().flow()
        if self.is_open and self.stock and not self.wanted:
            asyncio.get_running_loop().call_later(LATER_S, self.begin)

    def begin(self) -> None:
        if self.is_open and not self.wanted:
            self.stock -= 1
            self.context.emit(self.readings(1))


class Patient(Suite):
    """None of them is found because something does not come: a busy machine may take its time."""

    patience = 10.0
    gone_s = 2.0


@pytest.mark.parametrize(
    ("kind", "caught", "claim"),
    [
        (Proclaiming, "test_says_unavailable_once_and_once_when_it_is_back", '"connected again" in text'),
        (Undead, "test_leaves_nothing_behind_when_it_is_closed", "one.received < closed"),
        (Lingering, "test_leaves_nothing_behind_when_it_is_closed", "quiet(self.quiet_s) == 0"),
        (Trusting, "test_follows_its_startup_policy_when_the_device_is_not_there", "life.refusals"),
        (Impatient, "test_emits_nothing_when_nothing_is_asked_for", "quiet(self.quiet_s) == 0"),
    ],
)
def test_one_claim_alone_finds_it_when_the_adapter_breaks_that(
    kind: type[DeviceAdapter], caught: str, claim: str, tmp_path: Path
) -> None:
    """Of all tests of the contract one fails, and in it the claim itself: where that is not made, nothing is found."""
    found = findings(Patient, kind, tmp_path=tmp_path)
    assert set(found) == {caught}
    assert claim in failed_at(found[caught])


def test_nothing_is_found_when_a_closed_adapter_hands_on_what_it_had(tmp_path: Path) -> None:
    """Within the call that asks; it is better stored than kept until the device is back."""
    assert findings(Patient, Keeping, tmp_path=tmp_path) == {}


def test_harness_itself_finds_it_when_what_nobody_asked_for_is_emitted(tmp_path: Path) -> None:
    """A demand of none needs no claim of its own: the harness counts, and raises when it is closed, in whatever test that is."""

    async def run() -> None:
        bench = Bench(AdapterHarness(Impatient, SimpleNamespace(), tmp_path))
        await bench.harness.open()
        await bench.produce(5)
        await bench.harness.received(1, 5)
        with pytest.raises(AssertionError, match=r"^1 Readings emitted where 0 were asked for$"):
            await bench.harness.close()

    asyncio.run(run())


def failed_at(error: BaseException) -> str:
    """The line of the contract's own code that raised."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if Path(file).name.startswith("adapter_"):
            return linecache.getline(file, line).strip()
    raise AssertionError("not of the contract") from error
