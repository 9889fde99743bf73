"""How the demo looks on a terminal of 80 columns and 24 lines, or more."""

from __future__ import annotations

from collections import deque

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rt_edge.cli.demo_parts.events import Events
from rt_edge.cli.demo_parts.plant import View
from rt_edge.data.units import show_size

RATE_OVER_S = 3.0
BAR = 14
FIXED_LINES = 21
KEYS = (("c", "cut the uplink"), ("r", "restore it"), ("k", "kill -9 a process"), ("q", "quit and count"))


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
        _values(view),
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


def _adapters(view: View, rates: Rates) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("adapter", "kind", "state", "demand", "readings", "rate"):
        left = column in ("adapter", "kind", "state")
        table.add_column(column, justify="left" if left else "right", no_wrap=True, min_width=15 if column == "state" else 8)
    kinds = {"broker": "MQTT", "line-1": "Modbus RTU", "meter": "Modbus TCP"}
    for name, kind in kinds.items():
        member = view.member(f"adapter/{name}")
        if member is None or member.adapter is None:
            table.add_row(name, kind, Text("does not answer", "yellow"), "", "", "")
            continue
        node = next((one for one in member.nodes if one.name == name), None)
        before = rates.first.member(f"adapter/{name}")
        was = next((one for one in before.nodes if one.name == name), None) if before is not None else None
        rate = rates.of((was.emitted, node.emitted)) if was is not None and node is not None else None
        state = member.adapter.state
        demand = "-" if node is None else "no limit" if node.demand < 0 else f"{node.demand:,}"
        table.add_row(
            name,
            kind,
            Text(state, "green" if state == "open" else "yellow"),
            demand,
            f"{node.emitted:,}" if node is not None else "-",
            f"{rate:,.1f}/s" if rate is not None else "-",
        )
    return table


def _values(view: View) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_row(Text("last arrived", "dim"), "")
    shown = {"broker/press-1": ("n", "temperature"), "line-1/pump-1": ("pressure", "speed"), "meter/main": ("pressure", "speed")}
    for source, names in shown.items():
        reading = view.arrived.last.get(source)
        if reading is None:
            table.add_row(source, Text("nothing so far", "dim"))
            continue
        found = [(name, reading.fields[name]) for name in names if name in reading.fields]
        table.add_row(
            source,
            "  ".join(
                f"{n} {v:,.4g}" if isinstance(v, float) else f"{n} {v:,}" for n, v in found if not isinstance(v, str | bytes)
            ),
        )
    return table


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
