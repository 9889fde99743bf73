"""How a NodeStatus looks on a terminal, at 80 columns and wider."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rt_edge.cli.status_remarks import bottlenecks, does, state_of, wrong
from rt_edge.data.text import visible
from rt_edge.data.units import rough_duration
from rt_edge.telemetry.status import GraphNodeStatus, IslandStatus, MemberStatus, NodeStatus, WireStatus

WIDE = 120
STYLES = {"running": "green", "open": "green", "failed": "bold red", "cut": "red", "down": "red", "stopped": "dim"}
_WIRE = re.compile(r"(from [^>]+>[^>]+|[^>]+)>(.*)\Z")


class _Look:
    """One look, and the one before it."""

    def __init__(self, status: NodeStatus, before: NodeStatus | None, width: int, everything: bool) -> None:
        self.status = status
        self.wide = width >= WIDE
        self.everything = everything
        self.seconds = status.at - before.at if before is not None else 0.0
        self._nodes: dict[tuple[str, str], GraphNodeStatus] = {}
        self._wires: dict[tuple[str, str], WireStatus] = {}
        for island in before.islands if before is not None else ():
            for member in island.members:
                self._nodes |= {(member.name, node.name): node for node in member.nodes}
                self._wires |= {(member.name, wire.name): wire for wire in member.wires}

    def members(self) -> list[MemberStatus]:
        """All members of all islands."""
        return [member for island in self.status.islands for member in island.members]

    def node_rates(self, member: str, node: GraphNodeStatus) -> tuple[str, str]:
        """In and out, a second."""
        was = self._nodes.get((member, node.name))
        if was is None:
            return "-", "-"
        return self._rate(was.received, node.received), self._rate(was.emitted, node.emitted)

    def wire_rate(self, member: str, wire: WireStatus) -> str:
        """Passed, a second."""
        was = self._wires.get((member, wire.name))
        return "-" if was is None else self._rate(was.passed, wire.passed)

    def _rate(self, was: int, now: int) -> str:
        if self.seconds <= 0 or now < was:  # it was started again in between
            return "-"
        rate = (now - was) / self.seconds
        return f"{rate:.1f}" if rate < 100 else self.number(round(rate))

    def number(self, n: int) -> str:
        """A count: all digits where there is room, else three that count."""
        if self.wide or abs(n) < 100_000:
            return f"{n:,}"
        for unit, scale in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
            if abs(n) >= scale:
                return f"{n / scale:.4g}{unit}"
        return str(n)

    def demand(self, n: int) -> str:
        """Demand; negative: no limit."""
        return "all" if n < 0 else self.number(n)


def render(status: NodeStatus, before: NodeStatus | None, width: int = 80, *, everything: bool = False) -> RenderableType:
    """Tables of a status.

    Args:
        status: now.
        before: an earlier one, for rates; None: without.
        width: of the terminal, columns.
        everything: also the ends of wires that join processes.
    """
    look = _Look(status, before, width, everything)
    up = rough_duration(max(0.0, status.at - status.started))
    parts: list[RenderableType] = [Text(f"node {status.node}   rt-edge {status.version}   up {up}", "bold"), Text()]
    parts.append(_members(look))
    held = bottlenecks(status, before)
    if held:
        parts += [Text(), *(Text(f"bottleneck: {text}", "bold yellow") for text in held)]
    waits = list(_waits(look))
    if waits:
        parts += [Text(), *(Text(visible(text), "yellow") for text in waits)]
    nodes, dropped = _nodes(look)
    if nodes.row_count:
        parts += [Text(), nodes]
    if dropped:
        parts.append(Text("dropped: " + "; ".join(dropped), "yellow"))
    wires = _wires(look)
    if wires.row_count:
        parts += [Text(), wires]
    return Group(*parts)


def _table(left: str, right: tuple[str, ...], wide: bool, narrow: int) -> Table:
    """A table whose first column gives way where there is little room: it has `narrow` columns then."""
    table = Table(box=None, pad_edge=False, padding=(0, 3 if wide else 1, 0, 0), header_style="bold")
    table.add_column(left, no_wrap=True, overflow="ellipsis", max_width=40 if wide else narrow)
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


# -- members ---------------------------------------------------------------------------------------------------------


def _members(look: _Look) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("part", no_wrap=True)
    table.add_column("state", no_wrap=True)
    if look.wide:
        table.add_column("process", no_wrap=True)
    table.add_column("what it does, or what is wrong", overflow="fold")
    for island in look.status.islands:
        for member in island.members:
            table.add_row(*_member_row(look, island, member))
        if not island.members:
            said = island.error or "does not answer just now"
            state = "waiting" if island.state == "running" else island.state
            row: list[str | Text] = [
                island.name,
                _state(state),
                *([_process(island)] if look.wide else []),
                Text(visible(said), "red"),
            ]
            table.add_row(*row)
    return table


def _member_row(look: _Look, island: IslandStatus, member: MemberStatus) -> list[str | Text]:
    complaints = wrong(member)
    if island.starts > 1:
        complaints.append(f"its process was started {island.starts:,} times")
    says = Text(visible(does(member)))
    if complaints:
        says.append("\n" + visible("; ".join(complaints)), "red" if state_of(member) not in ("running", "open") else "yellow")
    return [member.name, _state(state_of(member)), *([_process(island)] if look.wide else []), says]


def _state(state: str) -> Text:
    return Text(state, STYLES.get(state, "yellow"))


def _process(island: IslandStatus) -> str:
    return f"{island.name} ({island.pid or '-'})"


def _waits(look: _Look) -> Iterator[str]:
    """A line for each graph node that others wait for, where nothing moves; a source that has nothing to give only on demand."""
    for member in look.members():
        for wait in member.waits:
            if look.everything or not wait.idle:
                yield f"{member.name}: nothing moves since {rough_duration(member.still_s)}: {wait.text}"


# -- graph nodes -----------------------------------------------------------------------------------------------------


def _nodes(look: _Look) -> tuple[Table, list[str]]:
    """One row a graph node, under its member; and what was dropped, by reason, where the table has the sums only."""
    columns = ("in", "out", "in/s", "out/s", "demand", "buffered" if look.wide else "buf", "dropped" if look.wide else "drop")
    table = _table("graph node", (*columns, "errors" if look.wide else "err"), look.wide, 23)
    reasons = []
    for member in look.members():
        rows = [node for node in member.nodes if look.everything or not _plumbing(node)]
        if rows:
            table.add_row(Text(member.name, "dim"))
        for node in rows:
            rates = look.node_rates(member.name, node)
            dropped = sum(node.dropped.values())
            errors = Text(look.number(node.errors), "red" if node.errors else "")
            table.add_row(
                f"  {_short(node.name)}",
                look.number(node.received),
                look.number(node.emitted),
                *rates,
                look.demand(node.demand),
                look.number(node.buffered),
                look.number(dropped),
                errors,
            )
            reasons += [f"{node.name} {n:,} ({reason})" for reason, n in node.dropped.items() if n]
    return table, reasons


def _plumbing(node: GraphNodeStatus) -> bool:
    """Whether it is the end of a wire between two members, and not a graph node that somebody wrote down."""
    return node.kind in ("WireIn", "WireOut") and ">" in node.name


def _short(name: str) -> str:
    """`to adapter/plc>graph/pumps.plc` is `to graph/pumps`."""
    way, _, rest = name.partition(" ")
    if way == "to" and ">" in rest:
        return f"to {rest.partition('>')[2].partition('.')[0]}"
    if way == "from" and ">" in rest:
        return f"from {rest.partition('>')[0].partition('.')[0]}"
    return name


# -- wires -----------------------------------------------------------------------------------------------------------


def _wires(look: _Look) -> Table:
    table = _table("wire", ("passed", "rate/s", "chunks", "demand", "waiting"), look.wide, 40)
    for member in look.members():
        if member.wires:
            table.add_row(Text(member.name, "dim"))
        for wire in member.wires:
            table.add_row(
                f"  {wire_name(wire.name)}",
                look.number(wire.passed),
                look.wire_rate(member.name, wire),
                look.number(wire.chunks),
                look.demand(wire.demand),
                look.number(wire.buffered),
            )
    return table


def wire_name(name: str) -> str:
    """`merge.out>filter.in` is `merge > filter`; ports are named where they are not the only ones."""
    match = _WIRE.match(name)
    if match is None:
        return name
    source, target = match[1].removesuffix(".out"), match[2].removesuffix(".in")
    if source.startswith("from "):
        source = _short(source).removeprefix("from ")
    if target.startswith("to "):
        target = _short(target).removeprefix("to ")
    return f"{source} > {target}"
