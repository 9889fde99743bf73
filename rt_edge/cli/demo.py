"""`rt-edge demo`: a broker, devices, an edge node and an upstream node on this machine, and what happens when they are hurt."""

from __future__ import annotations

import asyncio
import enum
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from rt_edge.cli.errors import INTERRUPTED, ExitCode
from rt_edge.cli.output import JsonFlag, print_json
from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError

SCRIPT_S = 15.0


class Broker(enum.StrEnum):
    """Which MQTT broker the demo uses."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    SMALL = "small"


class Wish(msgspec.Struct, frozen=True):
    """What the user wants to see."""

    script: bool
    seconds: float | None
    keep: bool
    broker: str
    rate: float
    as_json: bool


def command(
    script: Annotated[bool, typer.Option("--script", help="Cut, kill and restore by itself; plain lines and a verdict.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", min=1, max=86400, help="End after so long; script: 15.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder: configurations, logs, spool, store.")] = False,
    broker: Annotated[Broker, typer.Option("--broker", help="auto: mosquitto if there is one, else a small one.")] = Broker.AUTO,
    rate: Annotated[float, typer.Option("--messages-per-second", min=1, max=5000, help="What is published over MQTT.")] = 200.0,
    as_json: JsonFlag = False,
) -> None:
    """See it work on this machine, with no hardware and no account; it leaves no process and no file behind.

    A broker, two pumps on a serial line, a meter on Modbus TCP, a balance, a CoAP tank, Bluetooth thermometers (by dbus-daemon),
    an edge node and an upstream node, on loopback. Keys cut the uplink, restore it, and kill a process: nothing is lost or comes
    twice. Exit code 0 if so, else 1.

    \b
    Example:
        rt-edge demo
        rt-edge demo --script
    """
    try:
        import cryptography  # noqa: F401  # for the certificates; said here, not by a traceback later
        import paho.mqtt  # noqa: F401
        import serial  # noqa: F401
    except ImportError as error:
        raise TransientError(f"the demo needs the package {error.name}", "pip install 'rt-edge[demo]'") from error
    from rt_edge.cli.demo_parts.janitor import Workshop

    interactive = not (script or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    if not (interactive or script or as_json):
        sys.stderr.write("rt-edge: no terminal here, so the demo runs by itself, as with --script\n")
    wish = Wish(not interactive, seconds, keep, broker.value, rate, as_json)
    with Workshop(keep) as workshop:
        code = asyncio.run(_run(workshop.folder, wish))
    if code == INTERRUPTED:
        sys.stderr.write("rt-edge: interrupted; everything is stopped" + ("\n" if keep else " and removed\n"))
    if keep:
        sys.stdout.write(f"kept: {workshop.folder}\n")
    raise typer.Exit(code)


async def _run(folder: Path, wish: Wish) -> int:
    """The demo as one task, which a signal cancels: what it started is then stopped in order; a second signal ends that, too."""
    signals = 0
    work = asyncio.ensure_future(_work(folder, wish))

    def interrupted() -> None:
        nonlocal signals
        signals += 1
        if signals <= 2:
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted)
    try:
        return await work
    except asyncio.CancelledError:
        return INTERRUPTED


async def _work(folder: Path, wish: Wish) -> int:
    from rt_edge.cli.demo_parts.events import Events
    from rt_edge.cli.demo_parts.plant import Plant, View
    from rt_edge.cli.demo_parts.script import line, run_script

    clock = SystemClock()
    began = clock.monotonic()
    quiet = threading.Event()

    def echo(at: float, text: str) -> None:
        if not quiet.is_set():
            _say(f"{at:5.1f} s  * {text}", wish)

    events = Events(lambda: clock.monotonic() - began, echo)
    _say(f"rt-edge demo: starting; configurations and logs are in {folder}" + ("" if wish.keep else " until it ends"), wish)

    def show(view: View) -> None:
        events.compare(view)
        _say(line(view), wish)

    async with Plant(folder, wish.broker, wish.rate, clock, events.say) as plant:
        if wish.script:
            result = await run_script(plant, clock, wish.seconds or SCRIPT_S, show)
        else:
            from rt_edge.cli.demo_parts.live import LiveDemo

            quiet.set()  # events are on the screen from now on
            result = await LiveDemo(plant, events, clock, wish.seconds).run()
        for text in result.lines():
            _say(text, wish)
        if wish.as_json:
            print_json({**msgspec.to_builtins(result), "good": result.good})
    return ExitCode.OK if result.good else ExitCode.FAILED


def _say(text: str, wish: Wish) -> None:
    """A line for people; with --json on stderr, so that stdout is JSON alone."""
    out = sys.stderr if wish.as_json else sys.stdout
    out.write(text + "\n")
    out.flush()
