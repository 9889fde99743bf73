"""How the demo looks on a terminal of 80 columns and 24 lines, or more."""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rt_edge.cli.demo_parts.events import Events
from rt_edge.cli.demo_parts.plant import View
from rt_edge.data.units import show_size

RATE_OVER_S = 3.0
BAR = 14
FIXED_LINES = 20
KEYS = (("c", "cut the uplink"), ("r", "restore it"), ("k", "kill -9 a process"), ("q", "quit and count"))


COLUMNS: tuple[tuple[str, Literal["left", "right"], int], ...] = (
    ("adapter", "left", 7),
    ("kind", "left", 10),
    ("state", "left", 9),
    ("demand", "right", 8),
    ("readings", "right", 8),
    ("rate", "right", 7),
    ("last arrived", "left", 16),
)


class Rates:
    """Rates over the last few seconds."""

    def __init__(self) -> None:
        self._views: deque[View] = deque(maxlen=40)

    def add(self, view: View) -> None:
        """A new view."""
        self._views.append(view)
        while len(self._views) > 2 and view.at - self._views[1].at > RATE_OVER_S:
            self._views.popleft()

    def of(self, numbers: tuple[int, int]) -> float | None:
        """Elements a second between the oldest and the newest view, given the numbers of both."""
        before, now = numbers
        seconds = self._views[-1].at - self._views[0].at
        return (now - before) / seconds if seconds > 0.2 and now >= before else None

    @property
    def first(self) -> View:
        """The oldest view."""
        return self._views[0]


def render(view: View, rates: Rates, events: Events, height: int, message: str) -> RenderableType:
    """The whole screen."""
    minutes, seconds = divmod(int(view.at), 60)
    head = Text.assemble(("rt-edge demo", "bold"), f"   {minutes}:{seconds:02d}   ", _link(view))
    room = max(2, height - FIXED_LINES)
    return Group(
        head,
        Text("machines ─► broker ─► edge node [graph ─► spool] ══ uplink ══► upstream [store]", "dim", no_wrap=True),
        _way(view, rates),
        Text(),
        _adapters(view, rates),
        Text(),
        *_events(events, room),
        _foot(message),
    )


def _link(view: View) -> Text:
    member = view.member("uplink/hq")
    if not view.whole:
        return Text("uplink CUT: readings stay on the edge's disk", "bold red")
    if member is None or member.uplink is None:
        return Text("the edge node's uplink does not answer", "bold yellow")
    if member.uplink.link == "session open":
        return Text("uplink open", "bold green")
    return Text(f"uplink {member.uplink.link}: trying again", "bold yellow")


def _way(view: View, rates: Rates) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=35)
    table.add_column(justify="right", no_wrap=True, min_width=9)
    table.add_column(justify="right", no_wrap=True, min_width=7)
    table.add_column(no_wrap=True, overflow="ellipsis")  # the notes give way, never the numbers
    first = rates.first

    def row(name: str, now: int, before: int | None, note: str | Text = "", style: str = "") -> None:
        rate = rates.of((before, now)) if before is not None else None
        table.add_row(name, Text(f"{now:,}", style), "" if rate is None else f"{rate:,.0f}/s", note)

    row("published by machines (MQTT, QoS 1)", view.published, first.published)
    row("acknowledged by the broker", view.acknowledged, first.acknowledged)
    row("dropped by the graph's filter", view.filtered, first.filtered, "a broken sensor")
    if view.spooled is None:
        table.add_row("in the spool, on the edge's disk", "?", "", "does not answer")
    else:
        row("in the spool, on the edge's disk", view.spooled, None, _bar(view), "bold yellow" if view.spooled > 1000 else "")
    row("arrived upstream", view.arrived.messages, first.arrived.messages, "", "bold green")
    row("still on the way", view.on_the_way, None)
    row("doubled", view.arrived.doubled, None, "", "bold red" if view.arrived.doubled else "")
    return table


def _bar(view: View) -> Text:
    member = view.member("uplink/hq")
    if member is None or member.uplink is None:
        return Text()
    filled = min(BAR, -(-(view.spooled or 0) * BAR // 10_000))
    return Text.assemble(("█" * filled, "yellow"), ("·" * (BAR - filled), "dim"), f" {show_size(member.uplink.bytes)}")


class Row(NamedTuple):
    """An adapter, and of which of its devices the last value is shown."""

    adapter: str
    kind: str
    source: str
    field: str


ROWS = (
    Row("broker", "MQTT", "broker/press-1", "temperature"),
    Row("line-1", "Modbus RTU", "line-1/pump-1", "pressure"),
    Row("meter", "Modbus TCP", "meter/main", "pressure"),
    Row("balance", "serial", "balance/scale", "weight"),
    Row("tank", "CoAP", "tank/north", "level"),
    Row("air", "Bluetooth", "air/fridge", "temperature"),
)


def _adapters(view: View, rates: Rates) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column, justify, width in COLUMNS:
        table.add_column(column, justify=justify, no_wrap=True, min_width=width, overflow="ellipsis")
    for row in ROWS:
        member = view.member(f"adapter/{row.adapter}")
        last = _last(view, row)
        if member is None or member.adapter is None:
            if view.edge is None or row.adapter != "air":  # there may be no Bluetooth
                table.add_row(row.adapter, row.kind, Text("no answer", "yellow"), "", "", "", last)
            continue
        node = next((one for one in member.nodes if one.name == row.adapter), None)
        before = rates.first.member(f"adapter/{row.adapter}")
        was = next((one for one in before.nodes if one.name == row.adapter), None) if before is not None else None
        rate = rates.of((was.emitted, node.emitted)) if was is not None and node is not None else None
        state = member.adapter.state
        table.add_row(
            row.adapter,
            row.kind,
            Text(state, "green" if state == "open" else "yellow"),
            "-" if node is None else "no limit" if node.demand < 0 else f"{node.demand:,}",
            f"{node.emitted:,}" if node is not None else "-",
            f"{rate:,.1f}/s" if rate is not None else "-",
            last,
        )
    return table


def _last(view: View, row: Row) -> Text:
    """What arrived last of it."""
    reading = view.arrived.last.get(row.source)
    value = reading.fields.get(row.field) if reading is not None else None
    if isinstance(value, (int, float)):
        return Text(f"{row.field} {value:,.4g}")
    return Text("nothing so far", "dim")


def _events(events: Events, room: int) -> list[Text]:
    lines = [Text(f"{at:6.1f} s  {text}", no_wrap=True, overflow="ellipsis") for at, text in list(events.last)[-room:]]
    return lines + [Text()] * (room - len(lines))


def _foot(message: str) -> Text:
    if message:
        return Text(message, "bold", no_wrap=True, overflow="ellipsis")
    foot = Text(no_wrap=True)
    for key, what in KEYS:
        foot.append(f" {key} ", "bold reverse")
        foot.append(f" {what}  ")
    return foot
