"""`rt-edge simulate KIND`: devices to try a node with, until Ctrl-C. One function a kind; `simulate_run.py` runs them."""

from __future__ import annotations

import ssl
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from rt_edge.cli.output import JsonFlag
from rt_edge.cli.simulate_run import DurationOption, SeedOption, run, seconds
from rt_edge.data.clock import SystemClock
from rt_edge.sdk.address import parse_address
from rt_edge.testkit.simulators.faults import Faults

app = typer.Typer(
    help="Devices to try a node with, on this machine, until Ctrl-C.\n\n"
    "Each prints where it is, and the configuration of a node that reads it; with --json for programs.\n\n\b\nExamples:\n"
    "    rt-edge simulate modbus --pty /tmp/ttyPUMPS > pumps.yaml     (and in another terminal: rt-edge run pumps.yaml)\n"
    "    rt-edge simulate modbus --pty /tmp/ttyPUMPS --baud 9600 --units 10 --dead 3 --garbled 1%\n"
    "    rt-edge simulate mqtt mqtt://127.0.0.1:1883 --devices 100 --messages-per-second 1000\n",
    no_args_is_help=True,
)


def _share(text: str | float) -> float:
    """`2%` or `0.02`; a default comes as it is."""
    if isinstance(text, float):
        return text
    number, percent = (text[:-1], 100.0) if text.endswith("%") else (text, 1.0)
    try:
        share = float(number) / percent
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no share: write 2% or 0.02") from None
    if not 0 <= share <= 1:
        raise typer.BadParameter(f"{text!r} is not between 0% and 100%")
    return share


def _option(help_: str) -> Any:
    return typer.Option(help=help_, parser=_share, metavar="SHARE")


Silent = Annotated[float, _option("Share of the frames that are not sent.")]
Late = Annotated[float, _option("Share that is sent a second late.")]
Garbled = Annotated[float, _option("Share with a wrong bit.")]
Truncated = Annotated[float, _option("Share that ends early.")]
Noise = Annotated[float, _option("Share with garbage before it.")]


class Instrument(StrEnum):
    """Serial instruments."""

    BALANCE = "balance"
    THERMOMETERS = "thermometers"
    GPS = "gps"


class LineFraming(StrEnum):
    """How frames lie on a serial Modbus line."""

    RTU = "rtu"
    ASCII = "ascii"


@app.command("modbus")
def modbus(
    pty: Annotated[Path | None, typer.Option("--pty", help="A serial line: link to its device, which must not exist.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Modbus TCP on this port; 0: a free one.")] = 0,
    units: Annotated[int, typer.Option("--units", min=1, max=247, help="How many pumps.")] = 3,
    baud: Annotated[int, typer.Option("--baud", min=300, max=4_000_000, help="Speed of the serial line.")] = 19_200,
    framing: Annotated[LineFraming, typer.Option("--framing", help="Of the serial line.")] = LineFraming.RTU,
    dead: Annotated[list[int] | None, typer.Option("--dead", help="A unit that never answers.")] = None,
    silent: Silent = 0.0,
    late: Late = 0.0,
    garbled: Garbled = 0.0,
    truncated: Truncated = 0.0,
    noise: Noise = 0.0,
    duration: DurationOption = None,
    seed: SeedOption = 1,
    as_json: JsonFlag = False,
) -> None:
    """Pumps on a serial line (--pty) or on Modbus TCP, with the timing of the wire and its faults.

    \b
    Example:
        rt-edge simulate modbus --pty /tmp/ttyPUMPS --baud 9600 --units 10 --dead 3 --late 2%
    """
    from rt_edge.testkit.simulators.modbus import ModbusSimulator

    faults = Faults(silent=silent, late=late, garbled=garbled, truncated=truncated, noise=noise)
    missing = frozenset(dead or ())
    path = _free(pty)
    run(
        lambda: ModbusSimulator(
            SystemClock(),
            Random(seed),  # noqa: S311  # repeatable
            units,
            path,
            port,
            baud,
            dead=missing,
            faults=faults,
            framing=framing.value,
        ),
        duration,
        as_json,
    )


@app.command("serial")
def serial(
    pty: Annotated[Path, typer.Argument(help="Link to its device, which must not exist.")],
    instrument: Annotated[Instrument, typer.Option("--instrument", help="Which one.")] = Instrument.BALANCE,
    every: Annotated[str, typer.Option("--every", help="How often it talks.")] = "1s",
    script: Annotated[Path | None, typer.Option("--script", help="A YAML file with what it says and answers instead.")] = None,
    unplug: Annotated[str | None, typer.Option("--unplug-every", help="Pull the cable for 2 s, so often.")] = None,
    silent: Silent = 0.0,
    garbled: Garbled = 0.0,
    truncated: Truncated = 0.0,
    noise: Noise = 0.0,
    duration: DurationOption = None,
    seed: SeedOption = 1,
    as_json: JsonFlag = False,
) -> None:
    """An instrument on a serial port: a balance that talks, thermometers that are asked, a GPS receiver.

    \b
    Example:
        rt-edge simulate serial /tmp/ttyBALANCE --unplug-every 30s
        rt-edge simulate serial /tmp/ttyBATH --script bath.yaml
    """
    from rt_edge.testkit.simulators.serial import SerialSimulator
    from rt_edge.testkit.simulators.serial_script import load_script

    faults = Faults(silent=silent, garbled=garbled, truncated=truncated, noise=noise)
    period, cable, path = seconds(every, "--every"), seconds(unplug, "--unplug-every") if unplug else 0.0, _free(pty)
    assert path is not None
    own = load_script(script) if script is not None else None
    run(
        lambda: SerialSimulator(SystemClock(), Random(seed), path, instrument.value, period, cable, faults=faults, script=own),  # noqa: S311
        duration,
        as_json,
    )


@app.command("mqtt")
def mqtt(
    url: Annotated[str, typer.Argument(help="The broker: mqtt://HOST[:PORT], or mqtts:// for TLS.")],
    devices: Annotated[int, typer.Option("--devices", min=1, max=100_000, help="How many.")] = 10,
    rate: Annotated[float, typer.Option("--messages-per-second", min=0.01, max=20_000, help="Of all together.")] = 10.0,
    username: Annotated[str | None, typer.Option("--username", help="User name.")] = None,
    password: Annotated[Path | None, typer.Option("--password-file", help="File with the password.")] = None,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", help="Who signed the broker's certificate; the system's.")] = None,
    cert_file: Annotated[Path | None, typer.Option("--cert-file", help="The fleet's certificate and its key.")] = None,
    duration: DurationOption = None,
    seed: SeedOption = 1,
    as_json: JsonFlag = False,
) -> None:
    """A fleet of devices that publish to a broker at QoS 1; it comes back when the broker does.

    \b
    Example:
        rt-edge simulate mqtt mqtt://127.0.0.1:1883 --devices 100 --messages-per-second 1000
    """
    from rt_edge.testkit.simulators.mqtt import MqttFleet

    parts = urlsplit(url if "://" in url else f"mqtt://{url}")
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise typer.BadParameter(f"{url!r} is not mqtt://HOST[:PORT], nor mqtts://", param_hint="URL")
    tls = _tls(ca_file, cert_file) if parts.scheme == "mqtts" else None
    if tls is None and (ca_file or cert_file):
        raise typer.BadParameter("certificates are for mqtts://", param_hint="URL")
    host, port = parts.hostname, parts.port or (1883 if tls is None else 8883)
    shown = str(ca_file.resolve()) if ca_file is not None else None
    secret = password.read_text().strip().encode() if password is not None else None
    run(
        lambda: MqttFleet(SystemClock(), Random(seed), host, port, devices, rate, username, secret, tls, shown),  # noqa: S311
        duration,
        as_json,
    )


@app.command("coap")
def coap(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="UDP port on the loopback; 0: a free one.")] = 0,
    sensors: Annotated[int, typer.Option("--sensors", min=1, max=10_000, help="How many.")] = 3,
    push: Annotated[str | None, typer.Option("--push", help="Push to coap://HOST:PORT/PATH instead of being asked.")] = None,
    every: Annotated[str, typer.Option("--every", help="How often values change, or are pushed.")] = "1s",
    duration: DurationOption = None,
    as_json: JsonFlag = False,
) -> None:
    """A CoAP device with observable sensors, or (--push) devices that push SenML to a node.

    \b
    Example:
        rt-edge simulate coap --port 5683 --sensors 1000
        rt-edge simulate coap --push coap://127.0.0.1:5683/push
    """
    try:
        from rt_edge.testkit.simulators.coap import CoapDevice, CoapPusher
    except ImportError as error:
        raise typer.BadParameter(f"this needs {error.name} (pip install 'rt-edge[coap]')") from None
    period = seconds(every, "--every")
    if push is not None:
        if not push.startswith("coap://"):
            raise typer.BadParameter(f"{push!r} is not coap://HOST:PORT/PATH", param_hint="--push")
        parse_address(push.removeprefix("coap://").partition("/")[0], 5683)
    run(
        lambda: (
            CoapDevice(SystemClock(), port, sensors, period) if push is None else CoapPusher(SystemClock(), push, sensors, period)
        ),
        duration,
        as_json,
    )


@app.command("ble")
def ble(
    devices: Annotated[int, typer.Option("--devices", min=1, max=10_000, help="Sensors that advertise.")] = 10,
    every: Annotated[str, typer.Option("--every", help="How often each does.")] = "1s",
    duration: DurationOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Bluetooth devices on a stand-in for BlueZ: no radio, only programs with the printed environment see them.

    \b
    Example:
        rt-edge simulate ble --devices 200
    """
    try:
        from rt_edge.testkit.simulators.ble import BleSimulator
    except ImportError as error:
        raise typer.BadParameter(f"this needs {error.name} (pip install 'rt-edge[ble]')") from None
    period = seconds(every, "--every")
    run(lambda: BleSimulator(devices, period), duration, as_json)


def _tls(ca_file: Path | None, cert_file: Path | None) -> ssl.SSLContext:
    """How the broker is checked, and what is shown to it."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            context.load_cert_chain(cert_file)
    except OSError as error:  # SSLError is one, too
        raise typer.BadParameter(f"the certificates cannot be used: {error}") from None
    return context


def _free(path: Path | None) -> Path | None:
    """The path, if nothing is there but perhaps a link that leads nowhere."""
    if path is not None and path.exists():
        raise typer.BadParameter(f"{path} is there already: name a new file, or remove it", param_hint="the link")
    if path is not None and not path.parent.is_dir():
        raise typer.BadParameter(f"there is no directory {path.parent}", param_hint="the link")
    return path
