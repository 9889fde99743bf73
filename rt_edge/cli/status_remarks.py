"""What is wrong with a node, and what holds it back, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from rt_edge.data.units import rough_duration, show_size
from rt_edge.telemetry.status import AdapterStatus, MemberStatus, NodeStatus, SilentStatus, UplinkStatus

NARROW = 0.9
"""A window counts as full from this part on: some of it is always being settled."""

DROPPED = "dropped_"
SOURCE = "AdapterSource"
NAMED = 5
"""Most silent sources that are named; `--json` has all."""


def state_of(member: MemberStatus) -> str:
    """One word: the member's state, or where it runs, its adapter's or its link's."""
    if member.state != "running":
        return member.state
    if member.adapter is not None:
        return member.adapter.state
    if member.uplink is not None:
        return "open" if member.uplink.link == "session open" else member.uplink.link
    return member.state


def does(member: MemberStatus) -> str:
    """What a member does, in a line."""
    if member.adapter is not None:
        adapter = member.adapter
        window = f", window {adapter.window:,}" if adapter.window else ""
        asked = any(node.kind == SOURCE and not node.emitted and node.demand for node in member.nodes)
        none = "; nothing has come yet" if asked and adapter.state == "open" else ""
        return f"{adapter.kind}, {adapter.delivery}{window}{none}"
    if member.uplink is not None:
        uplink = member.uplink
        return f"to {uplink.peer}; spool {uplink.readings:,} readings, {show_size(uplink.bytes)}{_under_way(uplink.counters)}"
    if member.ingress is not None:
        ingress = member.ingress
        if member.name.startswith("store/"):  # a local store counts as an ingress does, and has neither port nor sessions
            return f"stored {ingress.stored_readings:,} in {ingress.listen}"
        who = ", ".join(ingress.sessions) or "nobody connected"
        return f"on {ingress.listen}; {who}; stored {ingress.stored_readings:,}"
    steps = sum(node.kind not in ("WireIn", "WireOut") for node in member.nodes)
    return f"{steps} step" + ("" if steps == 1 else "s")


def _under_way(counters: dict[str, int]) -> str:
    """What was sent and not confirmed, and what had to be sent again: `; 3 records (12kB) unconfirmed; 7 sent again`."""
    said = ""
    if records := counters.get("unconfirmed_records", 0):
        said += (
            f"; {records:,} record{'' if records == 1 else 's'} ({show_size(counters.get('unconfirmed_bytes', 0))}) unconfirmed"
        )
    if again := counters.get("resent_records", 0):
        said += f"; {again:,} sent again"
    return said


def wrong(member: MemberStatus) -> list[str]:
    """What is wrong with a member, a sentence each; empty if nothing is."""
    said = []
    if member.state == "failed":
        said.append(f"cannot run: {member.error or 'see the log'}")
    elif member.state == "waiting":
        said.append(f"failed, and is tried again: {member.error or 'see the log'}")
    elif member.adapter is not None and member.adapter.state != "open":
        said.append(f"not connected: {member.adapter.error or member.adapter.state}")
    elif member.uplink is not None and member.uplink.link != "session open":
        said.append(_no_session(member.uplink, member.error))
    elif member.error:
        said.append(member.error)
    if member.uplink is not None and member.uplink.disk:
        said.append(member.uplink.disk)
    if member.adapter is not None and member.adapter.state == "open":
        said += [_silent(member.adapter.silent)] if member.adapter.silent else []
        said += _nothing_usable(member)
    if member.restarts:
        said.append(f"started again {member.restarts:,} times")
    errors = {node.name: node.errors for node in member.nodes if node.errors}
    said += [f"{name}: {n:,} errors" for name, n in errors.items()]
    letters = sum(node.counters.get("dead_letters", 0) for node in member.nodes)
    return said + ([f"{letters:,} dead letters"] if letters else [])


def _silent(silent: dict[str, SilentStatus]) -> str:
    """`no readings from line-1/pump-3 (timeout, for 45s), line-1/pump-7 (refused, for 2min) and 3 more`: the longest first."""
    ordered = sorted(silent.items(), key=lambda item: (-item[1].for_s, item[0]))
    named = [f"{source} ({one.reason}, for {rough_duration(one.for_s)})" for source, one in ordered[:NAMED]]
    more = f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else ""
    return f"no readings from {', '.join(named)}{more}"


def _nothing_usable(member: MemberStatus) -> list[str]:
    """What came and was dropped, where nothing else came: a wrong topic, codec, pattern or speed looks like this. Where readings
    come too, some that are dropped are counters in `--json` and a line in the log."""
    assert member.adapter is not None
    dropped = {name.removeprefix(DROPPED): n for name, n in member.adapter.counters.items() if name.startswith(DROPPED) and n}
    if not dropped or any(node.emitted for node in member.nodes if node.kind == SOURCE):
        return []
    return [f"all that came was dropped: {', '.join(f'{n:,} {reason}' for reason, n in sorted(dropped.items()))}; see the log"]


def _no_session(uplink: UplinkStatus, error: str) -> str:
    if uplink.link == "cut":
        return f"cut by command; {uplink.readings:,} readings wait on disk"
    why = f": {error}" if error else ""
    return f"no session with {uplink.peer}{why}; {uplink.readings:,} readings wait on disk"


def bottlenecks(status: NodeStatus, before: NodeStatus | None) -> list[str]:
    """What holds the node back, each with what to do about it; needs no `before`, but is surer with one."""
    earlier = {member.name: member for member in _members(before)} if before is not None else {}
    found = []
    # Windows fill behind a spool that takes nothing: to raise one would not help.
    held_back = any(_spool_full(member) for member in _members(status))
    for member in _members(status):
        was = earlier.get(member.name)
        short = member.name.partition("/")[2] or member.name
        # Full at one of two looks is enough: a small window is emptied with each commit, and filled again at once.
        full = member.adapter is not None and (_window_full(member.adapter) or (was is not None and _was_full(was)))
        if member.adapter is not None and full and not held_back:
            found.append(_window(short, member.adapter))
        if member.uplink is not None and not member.uplink.disk and _spool_full(member) and (was is None or _spool_full(was)):
            found.append(
                f"{short}: the spool is full ({show_size(member.uplink.bytes)}) and holds its sources back;"
                " restore the uplink, or raise spool.max"
            )
        elif (
            member.uplink is not None and was is not None and was.uplink is not None and _falls_behind(was.uplink, member.uplink)
        ):
            found.append(
                f"{short}: the link is slower than what comes in ({member.uplink.readings:,} readings wait);"
                " raise uplinks.window if the round trip is long"
            )
    return found


def _members(status: NodeStatus | None) -> Iterator[MemberStatus]:
    for island in status.islands if status is not None else ():
        yield from island.members


def _was_full(member: MemberStatus) -> bool:
    return member.adapter is not None and _window_full(member.adapter)


def _window_full(adapter: AdapterStatus) -> bool:
    return bool(adapter.window) and adapter.gauges.get("unsettled", 0.0) >= NARROW * (adapter.window or 0)


def _window(name: str, adapter: AdapterStatus) -> str:
    if adapter.window and adapter.window <= 20:
        how = (
            "use version 5, or raise max_inflight_messages at the broker and window here"
            if adapter.kind == "mqtt"
            else "raise it"
        )
    else:
        how = "raise window, or lower spool.max_wait" if adapter.kind == "mqtt" else "raise it"
    return f"{name}: window of {adapter.window:,} is full; {how}"


def _spool_full(member: MemberStatus) -> bool:
    if member.uplink is None:
        return False
    waiting = any(wire.buffered and wire.demand == 0 for wire in member.wires if wire.name.endswith(">spool.in"))
    return member.uplink.full or (waiting and member.uplink.link != "session open")


def _falls_behind(was: UplinkStatus, now: UplinkStatus) -> bool:
    behind = now.readings > was.readings + 100 and now.readings > 5000
    return now.link == was.link == "session open" and behind
