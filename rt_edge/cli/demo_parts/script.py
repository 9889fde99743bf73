"""`rt-edge demo --script`: the fixed scenario, in plain lines, and its verdict."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rt_edge.cli.demo_parts.plant import Plant, View
from rt_edge.data.clock import Clock

DRAIN_S = 30.0
LINE_S = 1.0


class Verdict(msgspec.Struct, frozen=True):
    """How it came out.

    Attributes:
        published: messages acknowledged by the broker.
        filtered: of those, the ones that the graph filters out.
        arrived: different ones stored upstream.
        missing: how many should be there and are not.
        doubled: stored more than once.
        unwanted: arrived although the graph filters them out.
        others, gaps: readings of all other devices, and gap records.
    """

    published: int
    filtered: int
    arrived: int
    missing: int
    doubled: int
    unwanted: int
    others: int
    gaps: int

    @property
    def good(self) -> bool:
        """Whether every number agrees, and there were any."""
        return self.published > 0 and not (self.missing or self.doubled or self.unwanted)

    def lines(self) -> list[str]:
        """For people."""
        word = "nothing is lost, nothing is doubled" if self.good else "THE NUMBERS DO NOT AGREE"
        return [
            f"published {self.published:,} (acknowledged by the broker), of which {self.filtered:,} are for the filter",
            f"arrived   {self.arrived:,}",
            f"missing   {self.missing:,}",
            f"doubled   {self.doubled:,}",
            f"and {self.others:,} readings of the other devices; where they were not read, {self.gaps:,} gap records say so",
            f"verdict: {word}",
        ]


async def verdict(plant: Plant, clock: Clock, show: Callable[[View], None], seconds: float = DRAIN_S) -> Verdict:
    """Stop publishing, wait until everything has arrived, or `seconds` have passed, and count."""
    await plant.publisher.stop()
    until = clock.monotonic() + seconds
    view = await plant.view()
    while view.on_the_way and clock.monotonic() < until:
        show(view)
        await plant.pause(0.25)
        view = await plant.view()
    show(view)
    missing, arrived = plant.missing(), view.arrived
    return Verdict(
        view.acknowledged,
        view.filtered,
        arrived.messages,
        len(missing),
        arrived.doubled,
        arrived.unwanted,
        arrived.others,
        arrived.gaps,
    )


def line(view: View) -> str:
    """One moment, as a line."""
    spooled = "?" if view.spooled is None else f"{view.spooled:,}"
    member = view.member("uplink/hq")
    link = member.uplink.link if member is not None and member.uplink is not None else "down"
    return (
        f"{view.at:5.1f} s  published {view.published:>7,}  acknowledged {view.acknowledged:>7,}  in the spool {spooled:>6}"
        f"  arrived {view.arrived.messages:>7,}  link {link}"
    )


async def run_script(plant: Plant, clock: Clock, seconds: float, show: Callable[[View], None]) -> Verdict:
    """Flow, cut, kill the uplink, restore, kill the ingress, drain.

    Args:
        plant: running.
        clock: time.
        seconds: of flow and outage together, before it drains.
        show: called with a view about every second.
    """
    third = seconds / 3

    async def watch(length: float) -> None:
        until = clock.monotonic() + length
        while (left := until - clock.monotonic()) > 0:
            show(await plant.view())
            await plant.pause(max(0.0, min(LINE_S, left)))

    await watch(third)
    await plant.cut()
    await watch(third)
    await plant.kill("edge uplink-hq")
    await watch(third / 3)
    await plant.restore()
    await watch(third / 3)
    await plant.kill("upstream ingress")
    await watch(third / 3)
    return await verdict(plant, clock, show)
