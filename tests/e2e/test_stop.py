"""Goal: a stop in order loses nothing and leaves nothing. Method: whole nodes as processes, stopped by signals at bad moments."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from e2e_world import (
    BROKER_LINES,
    CLOCK,
    MQTT_EDGE,
    SIMULATED_EDGE,
    UP,
    adapter_open,
    assert_nothing_left,
    assert_once,
    in_thread,
    listening,
    more,
    publish,
    session_open,
    until,
)

from rt_edge.testkit.mosquitto import MosquittoProcess
from rt_edge.testkit.node_process import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.mark.parametrize("island", more(["each"], "all"))
def test_nothing_is_lost_or_doubled_when_sigterm_comes_under_load(world, mosquitto_path, island):
    """What the broker has at the time of a SIGTERM is stored once, before or after a new start; nothing is left behind."""

    async def run() -> None:
        up = world.node("up", UP)
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker:
            edge = world.node("edge", MQTT_EDGE, mqtt=broker.port, island=island)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            feeding = asyncio.create_task(publish(broker.port, range(4000)))
            await until(lambda: len(world.values()) > 300, 20, edge.log)
            family = edge.family()
            began = CLOCK.monotonic()
            code = await in_thread(edge.stop)
            took = CLOCK.monotonic() - began
            print(f"{island}: {len(world.values())} stored at the stop, which took {took:.2f} s")
            assert code == 0, edge.log()
            assert took < 10
            await in_thread(assert_nothing_left, edge, family)
            assert "Traceback" not in edge.log()
            assert "stay with their devices" not in edge.log(), edge.log()
            await feeding
            await in_thread(edge.start)
            await until(lambda: len(set(world.values())) >= 4000, 40, lambda: f"{len(world.values())} {edge.log()[-3000:]}")
            assert_once(world.values(), range(4000))
            assert await in_thread(edge.stop) == 0
            assert await in_thread(up.stop) == 0

    asyncio.run(run())


def test_nothing_is_settled_that_is_not_durable_when_a_node_with_a_full_spool_is_stopped(world, mosquitto_path):
    """With the upstream away and the spool full, a stop leaves with the broker what is not on the disk."""

    async def run() -> None:
        total = 6000
        async with MosquittoProcess(mosquitto_path, world.folder / "broker", BROKER_LINES) as broker:
            edge = world.node("edge", MQTT_EDGE, mqtt=broker.port, quota="2MB")
            await in_thread(edge.start)
            await until(adapter_open(edge), 20, edge.log)
            await publish(broker.port, range(total), pad=400)

            def blocked() -> bool:
                member = edge.member("uplink/hq")
                return member is not None and any(node.counters.get("blocked") for node in member.nodes)

            await until(blocked, 30, lambda: str(edge.member("uplink/hq")))
            family = edge.family()
            began = CLOCK.monotonic()
            assert await in_thread(edge.stop) == 0, edge.log()
            print(f"stopped in {CLOCK.monotonic() - began:.2f} s")
            await in_thread(assert_nothing_left, edge, family)
            up = world.node("up", UP)
            await in_thread(up.start)
            await in_thread(edge.start)
            await until(lambda: len(set(world.values())) >= total, 50, lambda: f"{len(world.values())} {edge.log()[-3000:]}")
            assert_once(world.values(), range(total))

    asyncio.run(run())


@pytest.mark.parametrize("moment", more([0.0, 0.2], 0.1, 0.3, 0.6))
def test_a_node_ends_with_nothing_left_when_sigterm_comes_while_it_starts(world, moment):
    """Whatever has started by then is ended again."""
    edge = world.node("edge", SIMULATED_EDGE)
    edge.start(wait=False)
    lock = edge.data / "lock"
    wait_until(lock.exists, 20, edge.log)  # from here on signals are the node's own
    until_then = CLOCK.monotonic() + moment
    wait_until(lambda: CLOCK.monotonic() >= until_then, 5, "time")
    family = edge.family()
    code = edge.stop()
    assert code == 0, edge.log()
    assert_nothing_left(edge, family)
    assert "Traceback" not in edge.log(), edge.log()


def test_a_node_ends_once_when_it_gets_sigterm_again_and_again(world):
    """Whenever a further SIGTERM comes, to the very end, the exit code is that of the stop in order."""
    up, edge = world.node("up", UP), world.node("edge", SIMULATED_EDGE)
    up.start()
    edge.start()
    wait_until(lambda: len(world.rows()) > 5, 20, edge.log)
    family = edge.family()

    def ended() -> bool:
        if edge.alive:
            os.kill(edge.pid, signal.SIGTERM)
        return not edge.alive

    wait_until(ended, 20, edge.log)
    assert edge.stop() == 0, edge.log()
    assert_nothing_left(edge, family)
    assert up.stop() == 0


def test_a_node_ends_in_order_when_it_gets_sigint(world):
    """Ctrl-C is a stop in order, too; an upstream node has nothing listening afterwards."""
    up = world.node("up", UP)
    up.start()
    wanted = f":{world.ingress:04X}"
    wait_until(lambda: any(port.endswith(wanted) for port in listening(up.family())), 10, up.log)
    family = up.family()
    os.kill(up.pid, signal.SIGINT)
    wait_until(lambda: not up.alive, 20, up.log)
    assert up.stop() == 0
    assert_nothing_left(up, family)
    assert "Traceback" not in up.log()


def test_a_stop_ends_the_node_when_its_guardian_dies_meanwhile(world):
    """A node that was told to stop does not come again because a process died under the stop."""
    edge = world.node("edge", SIMULATED_EDGE)
    edge.start()
    guardian = edge.status().pid
    family = edge.family()
    os.kill(guardian, signal.SIGSTOP)  # it will not answer StopNode
    os.kill(edge.pid, signal.SIGTERM)
    os.kill(guardian, signal.SIGKILL)
    wait_until(lambda: not edge.alive, 30, edge.log)
    assert edge.stop() in (0, 1)
    assert_nothing_left(edge, family)


def test_the_spool_keeps_what_the_upstream_has_not_when_a_node_stops_without_a_link(world):
    """Readings of a polled device that were taken before the stop are in the spool, and arrive after the next start."""
    edge = world.node("edge", SIMULATED_EDGE)
    edge.start()

    def spooled() -> int:
        member = edge.member("uplink/hq")
        return member.uplink.readings if member is not None and member.uplink is not None else 0

    wait_until(lambda: spooled() >= 30, 20, edge.log)
    before = spooled()
    assert edge.stop() == 0
    assert "stay with their devices" not in edge.log(), edge.log()
    up = world.node("up", UP)
    up.start()
    edge.start()
    wait_until(session_open(edge), 20, edge.log)
    wait_until(lambda: len(world.rows()) >= before, 20, edge.log)
