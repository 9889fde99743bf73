"""`rt-edge tap WIRE`: what passes a wire of a running node, live; the stream neither waits for it nor knows of it."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from rt_edge.actors.errors import NoNode
from rt_edge.actors.tap_messages import Tapped, TappedElement
from rt_edge.actors.tap_messages import shown as elements_of
from rt_edge.cli.output import JsonFlag, print_json, print_table, quiet_pipe
from rt_edge.cli.store_formats import iso, local, shown
from rt_edge.cli.where import data_dir, running_node
from rt_edge.daemon.client import RunningNode
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import ConfigError, RefusedError
from rt_edge.data.reading import Reading
from rt_edge.data.text import visible
from rt_edge.data.units import parse_duration
from rt_edge.streams.expression import compile_predicate
from rt_edge.streams.model import nearest_hint
from rt_edge.telemetry.status import NodeStatus

LOOK_S = 0.2
AWAY_S = 60.0
"""Longest time that a member may be away while it is looked at."""
KEEP = 1024
"""Elements that the tap keeps between two looks: about 5,000 a second are seen whole."""


class Place(NamedTuple):
    """A wire of a member."""

    member: str
    wire: str

    def __str__(self) -> str:
        return f"{self.member}:{self.wire}"


def command(
    wire: Annotated[str | None, typer.Argument(help="The wire, or a part of its name: filter.out; without: list them.")] = None,
    config: Annotated[Path | None, typer.Argument(help="The node's configuration, or its data directory.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="The node's data directory.")] = None,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many elements.")] = None,
    duration: Annotated[str | None, typer.Option("--for", help="End after so long: 30s.")] = None,
    where: Annotated[str | None, typer.Option("--where", help="Only readings for which it is true: temperature > 20.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what passes a wire, until Ctrl-C. It asks for nothing: where nothing flows, nothing is seen.

    What passes faster than it can be shown is left out and counted; the stream never waits.

    \b
    Examples:
        rt-edge tap                              # which wires there are
        rt-edge tap "filter.out>set.in" --where "pressure > 3" --json
    """
    if wire is not None and config is None and Path(wire).exists():
        config, wire = Path(wire), None  # `rt-edge tap edge.yaml`: which wires that node has
    place = data_dir(config, data)
    limit = _seconds(duration)
    keeps = _predicate(where)
    with running_node(place) as node:
        wires = wires_of(node.status())
        if wire is None:
            _list(wires, as_json)
            return
        found = find(wire, list(wires))
        with quiet_pipe():
            _watch(node, found, Screen(sys.stdout, as_json, count, keeps), limit)


def wires_of(status: NodeStatus) -> dict[Place, int]:
    """Every wire, with how many elements have passed it."""
    members = [member for island in status.islands for member in island.members]
    return {Place(member.name, wire.name): wire.passed for member in members for wire in member.wires}


def find(text: str, wires: list[Place]) -> Place:
    """The wire that is called so, or the only one with this in its name.

    Raises:
        RefusedError: none is, or several are.
    """
    exact = [one for one in wires if text in (one.wire, str(one))]
    alike = exact or [one for one in wires if text.lower() in str(one).lower()]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise RefusedError(f"{len(alike)} wires have {text!r} in their name", ", ".join(f"'{one}'" for one in alike[:5]))
    near = nearest_hint(text, [one.wire for one in wires])
    raise RefusedError(f"no wire has {text!r} in its name", near if near.startswith("did") else "`rt-edge tap` lists them")


class Screen:
    """Prints elements; knows when it has shown enough.

    Args:
        out: where to.
        as_json: JSON lines instead of text.
        most: elements to show; None: no end.
        keeps: which readings; None: everything.

    Attributes:
        shown: elements so far.
    """

    def __init__(self, out: Any, as_json: bool, most: int | None, keeps: Any) -> None:
        self._out = out
        self._json = msgspec.json.Encoder() if as_json else None
        self._most = most
        self._keeps = keeps
        self._terminal = out.isatty()
        self.shown = 0

    @property
    def full(self) -> bool:
        """Whether enough was shown."""
        return self._most is not None and self.shown >= self._most

    def show(self, element: TappedElement) -> None:
        """One element, if it is wanted."""
        reading = msgspec.msgpack.decode(element.reading, type=Reading) if element.reading else None
        if self.full or (self._keeps is not None and (reading is None or not self._keeps.run([reading])[0][0])):
            return
        self.shown += 1
        if self._json is not None:
            self._out.write(self._json.encode(_data(reading, element.text)).decode() + "\n")
        elif reading is None:
            self._out.write(f"{visible(element.text)}\n")
        else:
            words = "  ".join(f"{name}={shown(value)}" for name, value in reading.fields.items())
            mark = "" if reading.quality == "good" else f"  ({reading.quality})"
            when = local(reading.ts) if self._terminal else iso(reading.ts)
            self._out.write(f"{when}\t{visible(reading.source)}\t{visible(words)}{mark}\n")


def _data(reading: Reading | None, text: str) -> dict[str, Any]:
    if reading is None:
        return {"text": text}
    data: dict[str, Any] = {"time": iso(reading.ts), "source": reading.source, "ts": reading.ts, "fields": reading.fields}
    return {**data, "quality": reading.quality, "tags": reading.tags, "received": reading.received, "held": reading.held}


class Look:
    """One tap on one wire, over restarts of the member that it is in.

    Args:
        ask: `RunningNode.tap`.
        place: the wire.
        screen: shows what comes.
        note: told when the member is away, and when it is back.

    Attributes:
        passed: elements that passed the wire. dropped: of these, what was too fast to be shown.
    """

    def __init__(self, ask: Callable[..., Tapped], place: Place, screen: Screen, note: Callable[[str], object]) -> None:
        self._ask = ask
        self._place = place
        self._screen = screen
        self._note = note
        self._name = f"tap-{os.getpid()}-{secrets.token_hex(4)}"
        self._said: Tapped | None = None
        self._before = (0, 0)
        self._away_since: float | None = None

    @property
    def passed(self) -> int:
        """See the class."""
        return self._before[0] + (self._said.passed if self._said is not None else 0)

    @property
    def dropped(self) -> int:
        """See the class."""
        return self._before[1] + (self._said.dropped if self._said is not None else 0)

    def look(self, now: float) -> None:
        """Show what has passed since the last time; a member that is away may come back for `AWAY_S`.

        Args:
            now: monotonic seconds.

        Raises:
            RefusedError: there is no such wire, it cannot be looked at, or its member stays away.
            NoNode: the node has ended.
        """
        try:
            said = self._ask(self._place.member, self._place.wire, self._name, KEEP)
        except RefusedError:
            if self._said is None and self._away_since is None:
                raise
            if self._away_since is None:
                self._away_since = now
                self._note(f"'{self._place}' is away: is its part of the node being started again?")
            elif now - self._away_since >= AWAY_S:
                raise
            self._begin_again()
            return
        if self._away_since is not None:
            self._away_since = None
            self._note(f"'{self._place}' is there again")
        if self._said is not None and said.passed < self._said.passed:
            self._begin_again()
        self._show(said)

    def end(self) -> None:
        """The last look."""
        if self._said is not None:
            with suppress(RefusedError, NoNode):  # it is gone already
                self._show(self._ask(self._place.member, self._place.wire, self._name, KEEP, close=True))

    def _show(self, said: Tapped) -> None:
        self._said = said
        for element in elements_of(said.elements):
            self._screen.show(element)

    def _begin_again(self) -> None:
        self._before, self._said = (self.passed, self.dropped), None


def _watch(node: RunningNode, place: Place, screen: Screen, limit: float | None) -> None:
    clock, pause = SystemClock(), threading.Event()
    until = None if limit is None else clock.monotonic() + limit
    look = Look(node.tap, place, screen, lambda words: sys.stderr.write(f"rt-edge: {words}\n"))
    try:
        while not screen.full and (until is None or clock.monotonic() < until):
            look.look(clock.monotonic())
            sys.stdout.flush()
            if not screen.full:
                pause.wait(LOOK_S if until is None else max(0.0, min(LOOK_S, until - clock.monotonic())))
        look.end()
    except KeyboardInterrupt:
        look.end()  # the way to end it
    except NoNode:
        raise NoNode(
            f"node {node.file.node} has ended, or does not answer; {_words(look, place, screen)}", "see its log"
        ) from None
    sys.stdout.flush()
    sys.stderr.write(f"rt-edge: {_words(look, place, screen)}\n")


def _words(look: Look, place: Place, screen: Screen) -> str:
    left = f", {look.dropped:,} too fast to be shown" if look.dropped else ""
    return f"{look.passed:,} passed '{place}', {screen.shown:,} shown{left}"


def _list(wires: dict[Place, int], as_json: bool) -> None:
    if as_json:
        print_json([{"member": one.member, "wire": one.wire, "passed": passed} for one, passed in wires.items()])
    else:
        print_table(("member", "wire", "passed"), [(one.member, one.wire, f"{passed:,}") for one, passed in wires.items()])


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(parse_duration(text))
    except ConfigError as error:
        raise typer.BadParameter(f"{error.message} ({error.hint})", param_hint="--for") from None


def _predicate(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return compile_predicate(text)
    except ConfigError as error:
        raise typer.BadParameter(" ".join(str(error).split()), param_hint="--where") from None
