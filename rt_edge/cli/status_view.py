"""How a NodeStatus looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rt_edge.data.units import show_duration, show_size
from rt_edge.telemetry.status import GraphNodeStatus, MemberStatus, NodeStatus

STYLES = {"running": "green", "failed": "red", "waiting": "yellow", "starting": "yellow", "stopped": "dim"}


def render(status: NodeStatus, before: NodeStatus | None) -> RenderableType:
    """Tables of a status; rates need the status `before`."""
    up = show_duration(round(max(0.0, status.at - status.started)))
    head = Text(f"node {status.node}  rt-edge {status.version}  up {up}")
    parts: list[RenderableType] = [head, _members(status)]
    earlier = _by_name(before)
    seconds = status.at - before.at if before is not None else 0.0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("graph node", "in", "out", "in/s", "out/s", "demand", "buffered", "dropped", "errors"):
        table.add_column(column, justify="left" if column == "graph node" else "right", no_wrap=True)
    for member in members(status):
        for node in member.nodes:
            was = earlier.get((member.name, node.name))
            table.add_row(*_node_row(member.name, node, was, seconds))
    parts += [Text(""), table, Text(""), _wires(status, before, seconds)]
    return Group(*parts)


def members(status: NodeStatus) -> Iterator[MemberStatus]:
    """All members of all islands."""
    for island in status.islands:
        yield from island.members


def _by_name(status: NodeStatus | None) -> dict[tuple[str, str], GraphNodeStatus]:
    if status is None:
        return {}
    return {(member.name, node.name): node for member in members(status) for node in member.nodes}


def _rate(now: int, was: int | None, seconds: float) -> str:
    return f"{(now - was) / seconds:,.1f}" if was is not None and seconds > 0 and now >= was else "-"


def _demand(n: int) -> str:
    return "all" if n < 0 else f"{n:,}"


def _node_row(member: str, node: GraphNodeStatus, was: GraphNodeStatus | None, seconds: float) -> list[str]:
    dropped = ", ".join(f"{reason} {n:,}" for reason, n in node.dropped.items()) or "0"
    return [
        f"{member}.{node.name}",
        f"{node.received:,}",
        f"{node.emitted:,}",
        _rate(node.received, was.received if was else None, seconds),
        _rate(node.emitted, was.emitted if was else None, seconds),
        _demand(node.demand),
        f"{node.buffered:,}",
        dropped,
        f"{node.errors:,}",
    ]


def _members(status: NodeStatus) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("member", "state", "island", "starts", "what it does"):
        table.add_column(column, no_wrap=column != "what it does")
    for island in status.islands:
        if not island.members:
            style = STYLES.get(island.state, "")
            table.add_row("-", Text(island.state, style), island.name, str(island.starts), island.error)
        for member in island.members:
            state = member.adapter.state if member.adapter and member.state == "running" else member.state
            style = STYLES.get("running" if state == "open" else state, "yellow")
            table.add_row(member.name, Text(state, style), island.name, str(island.starts), _does(member))
    return table


def _does(member: MemberStatus) -> str:
    said = [member.error] if member.error else []
    if member.adapter is not None:
        adapter = member.adapter
        window = f", window {adapter.window}" if adapter.window else ""
        said.append(f"{adapter.kind}: {adapter.delivery}, {adapter.backpressure}{window}")
        said += [adapter.error] if adapter.error and not member.error else []
    if member.uplink is not None:
        uplink = member.uplink
        said.append(
            f"link {uplink.link} to {uplink.peer}; spool {uplink.records:,} records, {uplink.readings:,} readings, "
            f"{show_size(uplink.bytes)}; confirmed {uplink.confirmed:,} of {uplink.last:,}"
        )
    if member.ingress is not None:
        ingress = member.ingress
        who = ", ".join(ingress.sessions) or "nobody connected"
        said.append(f"listens on {ingress.listen}; {who}; stored {ingress.stored_readings:,} readings")
    return "; ".join(said)


def _wires(status: NodeStatus, before: NodeStatus | None, seconds: float) -> Table:
    earlier = {(m.name, w.name): w.passed for m in members(before) for w in m.wires} if before is not None else {}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("wire", "passed", "rate/s", "chunks", "demand", "waiting"):
        table.add_column(column, justify="left" if column == "wire" else "right", no_wrap=True)
    for member in members(status):
        for wire in member.wires:
            rate = _rate(wire.passed, earlier.get((member.name, wire.name)), seconds)
            table.add_row(
                f"{member.name}: {wire.name}",
                f"{wire.passed:,}",
                rate,
                f"{wire.chunks:,}",
                _demand(wire.demand),
                f"{wire.buffered:,}",
            )
    return table
