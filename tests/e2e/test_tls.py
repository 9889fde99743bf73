"""Goal: only the right peer is let in, and nothing travels in plain text between hosts. Method: two nodes, certificates of a
throw-away authority, right and wrong."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from e2e_world import World, session_open

from rt_edge.testkit.node_process import NodeProcess, wait_until
from rt_edge.testkit.pki import ThrowAwayCa

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TLS_UP = """
node: {{id: up-1, data: {data}}}
stores: {{main: {{kind: sqlite, path: store/main.db}}}}
ingress: {{listen: "127.0.0.1:{ingress}", store: main, tls: {{ca: {pki.ca}, cert: {pki.certificate}, key: {pki.key}}}}}
"""

TLS_EDGE = """
node: {{id: {id}, data: {data}}}
adapters:
  sim: {{kind: simulated, devices: 3, every: 100ms}}
graphs:
  telemetry: [{{from: sim}}, {{to: hq}}]
uplinks:
  hq:
    peers: ["127.0.0.1:{ingress}"]
    tls: {{ca: {pki.ca}, cert: {pki.certificate}, key: {pki.key}}}
"""


def edge(world: World, name: str, node_id: str, pki: object) -> NodeProcess:
    """A started edge node."""
    node = world.node(name, TLS_EDGE, id=node_id, pki=pki)
    node.start()
    return node


def reason(node: NodeProcess) -> str:
    """Why its uplink has no session."""
    member = node.member("uplink/hq")
    return member.error if member is not None else ""


def test_only_an_edge_with_a_certificate_of_the_cluster_is_let_in_when_others_try(world):
    """The right one has a session over TLS; another authority, another role, an expired certificate do not, and are told why."""
    ca, other = ThrowAwayCa(world.folder / "pki"), ThrowAwayCa(world.folder / "other")
    up = world.node("up", TLS_UP, pki=ca.issue("upstream", "up-1"))
    up.start()
    good = edge(world, "good", "hall-3", ca.issue("edge", "hall-3"))
    strangers = {
        "another authority": edge(world, "stranger", "hall-4", other.issue("edge", "hall-4")),
        "the wrong role": edge(world, "role", "hall-5", ca.issue("upstream", "hall-5")),
        "expired": edge(world, "expired", "hall-6", ca.issue("edge", "hall-6", expired=True)),
    }
    wait_until(session_open(good), 20, good.log)
    wait_until(lambda: len(world.rows()) > 5, 20, good.log)
    for what, node in strangers.items():
        wait_until(lambda: reason(node) != "", 20, node.log)  # noqa: B023  # awaited at once
        print(f"{what}: {reason(node)}")
        assert not session_open(node)()
    assert {row.lane.node for row in world.rows()} == {"hall-3"}
    assert len(up.member("ingress").ingress.sessions) == 1
    for node in (*strangers.values(), good, up):
        assert node.stop() == 0, node.log()


def test_a_cloned_node_is_refused_and_reported_while_the_first_is_connected(world):
    """A second node with the same certificate and id gets no session; the first keeps its own, both sides say so."""
    ca = ThrowAwayCa(world.folder / "pki")
    pki = ca.issue("edge", "hall-3")
    up = world.node("up", TLS_UP, pki=ca.issue("upstream", "up-1"))
    up.start()
    first = edge(world, "first", "hall-3", pki)
    wait_until(session_open(first), 20, first.log)
    clone = edge(world, "clone", "hall-3", pki)
    wait_until(lambda: reason(clone) != "", 20, clone.log)
    print("clone:", reason(clone), up.member("ingress").ingress.counters)
    assert session_open(first)()
    assert not session_open(clone)()
    assert up.member("ingress").ingress.counters, "the upstream says nothing of it"
    before = len(world.rows())
    wait_until(lambda: len(world.rows()) > before, 20, first.log)
    assert first.stop() == 0
    assert "two with one id cannot be" in reason(clone)
    assert clone.stop() == 0
    assert up.stop() == 0


@pytest.mark.parametrize("which", ["listen", "dial"])
def test_plain_text_off_loopback_is_a_configuration_error(world, which):
    """Neither an ingress on all addresses nor an uplink to another host starts without certificates."""
    if which == "listen":
        text = "node: {{id: up-1, data: {data}}}\nstores: {{main: {{kind: sqlite}}}}\n"
        text += 'ingress: {{listen: "0.0.0.0:0", store: main}}\n'
    else:
        text = (
            "node: {{id: e-1, data: {data}}}\nadapters: {{sim: {{kind: simulated}}}}\n"
            'graphs: {{g: [{{from: sim}}, {{to: hq}}]}}\nuplinks: {{hq: {{peers: ["192.0.2.1:1900"]}}}}\n'
        )
    node = world.node("plain", text)
    command = [sys.executable, "-m", "rt_edge.cli.app", "run", str(node.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3, done.stderr
    assert "tls" in done.stderr
    assert not (node.data / "run").exists()


def test_a_plain_client_gets_nothing_from_an_ingress_with_certificates(world):
    """Bytes that are no TLS end the connection; the ingress goes on."""
    ca = ThrowAwayCa(world.folder / "pki")
    up = world.node("up", TLS_UP, pki=ca.issue("upstream", "up-1"))
    up.start()
    wait_until(lambda: (m := up.member("ingress")) is not None and m.ingress.listen.endswith(str(world.ingress)), 10, up.log)

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.ingress)
        writer.write(b"\x00\x00\x00\x10" + bytes(60))
        async with asyncio.timeout(10):
            data = await reader.read()
        writer.close()
        return data

    data = asyncio.run(talk())
    assert len(data) < 16  # a TLS alert at most
    good = edge(world, "good", "hall-3", ca.issue("edge", "hall-3"))
    wait_until(session_open(good), 20, good.log)
    assert good.stop() == 0
    assert up.stop() == 0
