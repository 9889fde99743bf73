"""`rt-edge check --live`: each adapter of a configuration asks its devices once, by its own `probe`, before a node is run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

import msgspec

from rt_edge.daemon.data_dir import DataDir
from rt_edge.data.clock import Clock, SystemClock
from rt_edge.data.errors import RefusedError, RtEdgeError
from rt_edge.sdk.adapter import DeviceAdapter, ProbeResult
from rt_edge.sdk.registry import Registry
from rt_edge.sdk.runner import CLOSE_S, AdapterRunner
from rt_edge.settings.plan import AdapterPlan, NodePlan

DEFAULT_S = 30.0
"""An adapter that has not ended by then is given up: a serial port is tried at several speeds, a line has many units."""


class Live(msgspec.Struct, frozen=True):
    """What came of one adapter.

    Attributes:
        adapter: its name.
        kind: of it.
        ok: whether all of its devices answered.
        message: for a person.
        details: of its `ProbeResult`, for programs.
    """

    adapter: str
    kind: str
    ok: bool
    message: str
    details: dict[str, object] = {}


def probe_all(
    plan: NodePlan, seconds: float, registry: Registry | None = None, said: Callable[[Live], None] | None = None
) -> list[Live]:
    """Probe all adapters at the same time.

    The node's data directory is held meanwhile, as a node would: adapters remember there what must not be used twice (sequence
    numbers of OSCORE), and ports and client ids are one program's.

    Args:
        plan: of the node.
        seconds: for each adapter.
        registry: kinds of adapters; default: those installed.
        said: told of each when it has ended.

    Raises:
        RefusedError: a node runs on the data directory.
        ConfigError: the data directory cannot be used.
    """
    data = Path(plan.node.data)
    try:
        held = DataDir(data)
    except RefusedError as error:
        hint = "`rt-edge status` says how its adapters are, `rt-edge read` asks a point; or stop it"
        raise RefusedError(error.message, hint) from error
    try:
        return asyncio.run(_all(plan, seconds, registry or Registry.installed(), said, SystemClock()))
    finally:
        held.close()


async def _all(
    plan: NodePlan, seconds: float, registry: Registry, said: Callable[[Live], None] | None, clock: Clock
) -> list[Live]:
    async def one(name: str, adapter: AdapterPlan) -> Live:
        found = await _probe(name, adapter, registry.load(adapter.kind), Path(plan.node.data), seconds, clock)
        live = Live(name, adapter.kind, found.ok, found.message, dict(found.details))
        if said is not None:
            said(live)
        return live

    return list(await asyncio.gather(*(one(name, adapter) for name, adapter in plan.adapters.items())))


async def _probe(
    name: str, plan: AdapterPlan, kind: type[DeviceAdapter], data: Path, seconds: float, clock: Clock
) -> ProbeResult:
    folder = data / "adapters" / name
    settings = plan.frozen()
    made: DeviceAdapter | None = None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = AdapterRunner(name, lambda context: kind(settings, context), clock, SystemRandom(), folder).adapter
        async with asyncio.timeout(seconds):
            return await made.probe()
    except TimeoutError:
        if made is not None:
            with contextlib.suppress(Exception):  # what is said is that it did not end
                async with asyncio.timeout(CLOSE_S):
                    await made.close()
        return ProbeResult(False, f"no answer within {seconds:g} s")
    except RtEdgeError as error:
        return ProbeResult(False, str(error))
    except Exception as error:  # noqa: BLE001  # of one adapter; the others are told of all the same
        return ProbeResult(False, f"{type(error).__name__}: {error} (a bug in the adapter)")
