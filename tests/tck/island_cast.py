"""Two island actors between which the kit has its streams; imported by name in their own processes.

The kit runs in the process of one island, in a thread of its own beside the actor's and the loop's; what it subscribes to, and
what it writes to, is in the other. What runs in them is of the test; actor, post office and the ways between them are a node's.
"""

# ruff: noqa: N802 - handlers are named for messages

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import threading
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
from thespian.actors import ActorAddress

from rt_edge.actors.island.post_office import PostOffice
from rt_edge.actors.island_actor import IslandActor
from rt_edge.actors.layout import WirePlan
from rt_edge.actors.transport.serializer import register_message
from rt_edge.data.reading import Reading
from rt_edge.protocol.roles import Processor, Publisher, Subscriber, Subscription
from rt_edge.settings.plan import NodePlan
from rt_edge.streams.boundary.incoming import WireIn
from rt_edge.streams.boundary.outgoing import WireOut
from rt_edge.streams.dsl import Sink, Source
from rt_edge.streams.dsl.running import Running, SinkSubscriber
from rt_edge.streams.host import AsyncioHost
from rt_edge.testkit.tck import (
    Environment,
    IdentityProcessorAsSubscriberVerification,
    IdentityProcessorVerification,
    PublisherVerification,
    SubscriberBlackboxVerification,
    Threads,
    run,
)
from tests.tck.test_boundary import ONE_STREAM, SAME_OBJECT

KIT, OTHER = "kit", "other"
WIRES = tuple(
    WirePlan(f"{way}-{n}", "", "", producer, consumer, "test")
    for way, producer, consumer in (("to-kit", OTHER, KIT), ("from-kit", KIT, OTHER))
    for n in range(1000)
)
HAND_OVER_S = 20.0


@register_message
class Play(msgspec.Struct):
    """To the kit's island: run the verification of this name; after `quiet` seconds nothing comes that was not there before.
    Tests that look for overlapping signals are repeated `runs` times."""

    name: str
    quiet: float
    runs: int = 3


@register_message
class Played(msgspec.Struct):
    """How many tests there were, and what did not pass."""

    tests: int
    bad: list


@register_message
class Serve(msgspec.Struct):
    """To the other island: be the other end; `number` names the wires."""

    what: str
    number: int
    elements: int = 0


@register_message
class Serving(msgspec.Struct):
    number: int


def reading(index: int) -> Reading:
    return Reading("device", index, {"value": index})


class _Runtime:
    """What stands for `IslandRuntime`: an office, and what the test runs."""

    def __init__(self, island: str, dispatch: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.office = PostOffice(island, WIRES, lambda call: self.loop.call_soon(call) and None, dispatch)
        self.questions = SimpleNamespace()  # nobody here asks the guardian anything

    def start(self) -> None:
        """Nothing runs of itself."""

    def status(self) -> list[Any]:
        return []

    def host(self) -> AsyncioHost:
        return AsyncioHost(loop=self.loop)

    def incoming(self, wire: str) -> Source[Any]:
        return Source(WireIn(wire=wire, post=self.office.end(wire, producing=False)))

    def outgoing(self, wire: str) -> Sink[Any]:
        return Sink(WireOut(wire=wire, post=self.office.end(wire, producing=True)))


class OtherIsland(IslandActor):
    """Serves the other ends."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[Running] = []

    def make_runtime(self, plan: NodePlan, island: str, dispatch: Any, links: Any) -> Any:
        return _Runtime(island, dispatch)

    def on_Serve(self, message: Serve, sender: ActorAddress) -> None:
        def serve() -> None:
            runtime: Any = self._runtime
            to_kit, from_kit = f"to-kit-{message.number}", f"from-kit-{message.number}"
            if message.what == "clear":
                for one in self._runs:
                    one.stop()
                self._runs.clear()
            else:
                graph = {
                    "elements": lambda: Source.from_iterable([*map(reading, range(message.elements))]).to(
                        runtime.outgoing(to_kit)
                    ),
                    "failed": lambda: Source.failed(ValueError("a test")).to(runtime.outgoing(to_kit)),
                    "sink": lambda: runtime.incoming(from_kit).to(Sink.ignore()),
                    "flow": lambda: runtime.incoming(from_kit).map(lambda x: x).to(runtime.outgoing(to_kit)),
                }[message.what]()
                self._runs.append(graph.run(runtime.host()))
            self.loop.to_actor(partial(self.send, sender, Serving(message.number)))

        self.loop.to_loop(serve)


class KitIsland(IslandActor):
    """Runs the kit."""

    def __init__(self) -> None:
        super().__init__()
        self.other: ActorAddress | None = None
        self.numbers = itertools.count()
        self._served: dict[int, threading.Event] = {}

    def make_runtime(self, plan: NodePlan, island: str, dispatch: Any, links: Any) -> Any:
        return _Runtime(island, dispatch)

    def on_Play(self, message: Play, sender: ActorAddress) -> None:
        logging.disable(logging.CRITICAL)  # the kit breaks rules on purpose, each with a traceback
        verification = type(
            message.name, (globals()[message.name],), {"island": self, "quiet": message.quiet, "stochastic_runs": message.runs}
        )

        def play() -> None:
            try:
                outcomes = run(verification)
                bad = [f"{one.test}: {one.status}: {one.error}" for one in outcomes if one.status != "passed"]
                played = Played(len(outcomes), bad)
            except Exception as error:  # noqa: BLE001  # told to the test: it would wait for nothing
                played = Played(0, [repr(error)])
            self.loop.to_loop(self.loop.to_actor, partial(self.send, sender, played))

        threading.Thread(target=play, name="kit", daemon=True).start()

    def on_Serving(self, message: Serving, sender: ActorAddress) -> None:
        self._served[message.number].set()

    def on_loop(self, call: Callable[[], Any]) -> Any:
        """Make a call in the loop's thread; for the kit's."""
        done = threading.Event()
        result: list[Any] = []
        raised: list[Exception] = []

        def make() -> None:
            try:
                result.append(call())
            except Exception as error:  # noqa: BLE001  # it is raised again in the caller's thread
                raised.append(error)
            done.set()

        self.loop.to_loop(make)
        assert done.wait(HAND_OVER_S)
        if raised:
            raise raised[0]
        return result[0]

    def ask(self, what: str, elements: int = 0) -> int:
        """Have the other end served; returns the number of its wires. For the kit's thread."""
        number = next(self.numbers)
        done = self._served[number] = threading.Event()
        request = Serve(what, number, elements)
        self.loop.to_loop(self.loop.to_actor, lambda: self.send(self._peers[OTHER], request))
        assert done.wait(HAND_OVER_S), f"the other island does not serve {what}"
        return number


class _Here(Publisher[Any]):
    """A publisher of the kit's island: `subscribe` is called on its loop."""

    def __init__(self, island: KitIsland, wire: str) -> None:
        self._island = island
        runtime: Any = island._runtime
        self._publisher = runtime.incoming(wire).as_publisher(runtime.host)

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        self._island.on_loop(lambda: self._publisher.subscribe(subscriber))


class AcrossActors:
    """The kit beside threads: signals take the time they take."""

    island: KitIsland
    quiet: float
    strict = True
    stochastic_runs = 3
    max_supported_subscribers = 1
    max_elements_from_publisher = 100
    gc_timeout = 5.0

    def create_environment(self) -> Environment:
        return Threads(20.0, self.quiet)

    def teardown_method(self) -> None:
        self.island.ask("clear")
        gc.collect()

    def create_element(self, index: int) -> Any:
        return reading(index)


class ActorPublisher(AcrossActors, PublisherVerification):
    declined = ONE_STREAM

    def create_publisher(self, elements: int) -> Publisher[Any]:
        return _Here(self.island, f"to-kit-{self.island.ask('elements', elements)}")

    def create_failed_publisher(self) -> Publisher[Any]:
        return _Here(self.island, f"to-kit-{self.island.ask('failed')}")


class _Through:
    """A subscriber here, a flow in the other island, and its publisher here."""

    def __init__(self, island: KitIsland) -> None:
        runtime: Any = island._runtime
        number = island.ask("flow")
        self._inward: SinkSubscriber = island.on_loop(
            lambda: runtime.outgoing(f"from-kit-{number}").as_subscriber(runtime.host())
        )
        self._outward = _Here(island, f"to-kit-{number}")

    def on_subscribe(self, subscription: Subscription) -> None:
        self._inward.on_subscribe(subscription)

    def on_next(self, element: Any) -> None:
        self._inward.on_next(element)

    def on_error(self, error: BaseException) -> None:
        self._inward.on_error(error)

    def on_complete(self) -> None:
        self._inward.on_complete()

    def subscribe(self, subscriber: Subscriber[Any]) -> None:
        self._outward.subscribe(subscriber)


class ActorProcessor(AcrossActors, IdentityProcessorVerification):
    declined = ONE_STREAM | SAME_OBJECT

    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return _Through(self.island)


class ActorProcessorFromOutside(AcrossActors, IdentityProcessorAsSubscriberVerification):
    def create_identity_processor(self, buffer_size: int) -> Processor[Any, Any]:
        return _Through(self.island)


class ActorSubscriber(AcrossActors, SubscriberBlackboxVerification):
    def create_subscriber(self) -> Subscriber[Any]:
        runtime: Any = self.island._runtime
        number = self.island.ask("sink")
        return self.island.on_loop(lambda: runtime.outgoing(f"from-kit-{number}").as_subscriber(runtime.host()))

    def stop(self, subscriber: Subscriber[Any]) -> None:
        self.island.on_loop(subscriber.stop)  # type: ignore[attr-defined]
