"""The configuration files of the demo's two nodes, as a user would write them, and their certificates."""

from __future__ import annotations

from pathlib import Path

from rt_edge.cli.demo_parts.devices import Ports
from rt_edge.testkit.pki import ThrowAwayCa

EDGE = """\
# The edge node of `rt-edge demo`: a device for each kind of adapter, all they say forwarded once each.
node: {{id: edge-demo, data: {folder}/edge}}
# A process for each part, so that the demo has something to kill.
island: each

adapters:
  broker:
    kind: mqtt
    url: mqtt://127.0.0.1:{mqtt}
    # 5 has Receive Maximum: the window is ours. With 3.1.1 the broker decides, 20 by default.
    version: "5"
    window_messages: 2000
    subscribe:
      - {{topic: "plant/{{line}}/telemetry", device: "{{line}}", codec: json, time: ts, qos: 1}}
  line-1:
    kind: modbus
    # A pseudo-terminal knows no parity.
    channel: {{serial: {serial}, baud: 19200, parity: none}}
    units:
      pump-1: &pump
        unit: 11
        every: 500ms
        points:
          pressure: {{holding: 0, type: float32, unit: bar}}
          speed: {{holding: 2, type: uint16, scale: 0.1, unit: rpm}}
          polls: {{input: 0, type: uint16}}
          # What can be written: rt-edge write {folder}/edge line-1/pump-1/setpoint 4.5
          setpoint: {{holding: 3, type: uint16, scale: 0.1, unit: bar, writable: true, min: 0, max: 16}}
          running: {{coil: 0, writable: true}}
      pump-2:
        <<: *pump
        unit: 12
  meter:
    kind: modbus
    channel: {{tcp: "127.0.0.1:{modbus}"}}
    units:
      main: {{<<: *pump, unit: 1, every: 1s}}
  balance:
    kind: serial
    port: {balance}
    framing: {{kind: delimiter, delimiter: "\\r\\n"}}
    listen:
      device: scale
      format:
        kind: regex
        pattern: '^(?P<state>ST|US),(?P<weight>[+-] *[0-9.]+) kg$'
        fields:
          weight: {{type: float}}
  tank:
    kind: coap
    hosts:
      north:
        url: coap://127.0.0.1:{coap}
        resources:
          level: {{path: /sensors/1, observe: true, codec: raw, type: float, field: level}}
{bluetooth}
graphs:
  # Numbered messages at QoS 1; every 50th is of a broken sensor, and stays here.
  telemetry:
    - from: broker
    - filter: temperature > -40
    - set: {{fahrenheit: temperature * 9 / 5 + 32}}
    - to: hq
  # What talks by itself, or is observed: as it comes.
  others:
    - from: [{others}]
    - to: hq
  # Polled values: only what has moved, but one every 5 s at least.
  pumps:
    - from: [line-1, meter]
    - deadband: {{field: pressure, absolute: 0.05, max_silence: 5s}}
    - set: {{pressure_psi: pressure * 14.5038}}
    - to: hq

uplinks:
  hq:
    peers: ["127.0.0.1:{cable}"]
    tls: {{ca: pki/ca.pem, cert: pki/edge-demo.pem, key: pki/edge-demo.key}}
    spool: {{max: 64MB, when_full: block}}
    # The upstream node may write, too: rt-edge write edge-demo line-1/pump-1/setpoint 5 --data {folder}/up
    commands: true
"""

BLUETOOTH = """\
  air:
    kind: ble
    scan:
      accept: [{formats: [bthome]}]
      names: {"C0:FF:EE:00:00:00": fridge, "C0:FF:EE:00:00:01": door}
"""

UPSTREAM = """\
# The upstream node of `rt-edge demo`: takes what edge nodes send, and stores it once each.
node: {{id: up-demo, data: {folder}/up}}
ingress:
  listen: 127.0.0.1:{ingress}
  store: main
  tls: {{ca: pki/ca.pem, cert: pki/up-demo.pem, key: pki/up-demo.key}}
  allow: [edge-demo]
stores:
  main: {{kind: sqlite, path: store/main.db}}
"""


def write_configs(folder: Path, ports: Ports, ingress: int, cable: int) -> tuple[Path, Path]:
    """Make certificates and write `edge.yaml` and `upstream.yaml`; returns their paths."""
    authority = ThrowAwayCa(folder / "pki")
    authority.issue("edge", "edge-demo")
    authority.issue("upstream", "up-demo")
    edge, upstream = folder / "edge.yaml", folder / "upstream.yaml"
    where = {"mqtt": ports.mqtt, "serial": ports.serial, "modbus": ports.modbus, "balance": ports.balance, "coap": ports.coap}
    air = (
        {"bluetooth": BLUETOOTH, "others": "balance, tank, air"}
        if ports.bluetooth
        else {"bluetooth": "", "others": "balance, tank"}
    )
    edge.write_text(EDGE.format(folder=folder, cable=cable, **where, **air))
    upstream.write_text(UPSTREAM.format(folder=folder, ingress=ingress))
    return edge, upstream
