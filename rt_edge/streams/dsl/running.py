"""Running: a graph that was started, and what its sinks come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

import msgspec

from rt_edge.data.errors import ConfigError, StreamError
from rt_edge.streams.blueprint import Blueprint
from rt_edge.streams.elementwise.processor import IslandSubscriber
from rt_edge.streams.elementwise.running import RunnableHost, start
from rt_edge.streams.engine import Engine
from rt_edge.streams.stages._sink import Done, SinkStage

T = TypeVar("T")


class Result(Generic[T]):
    """A value that will be there. For one thread: the host's; `await` it on the host's loop."""

    def __init__(self) -> None:
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Result[T]], None]] = []

    def done(self) -> bool:
        """Whether it is there, or has failed."""
        return self._done

    def value(self) -> T:
        """The value.

        Raises:
            StreamError: it is not there yet.
            BaseException: what the stream failed with.
        """
        if not self._done:
            raise StreamError("the stream has not ended", "wait until done() is true, or await it")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[no-any-return]  # it is set where it is done without an error

    @property
    def error(self) -> BaseException | None:
        """What the stream failed with, if it is done and has."""
        return self._error

    def on_done(self, callback: Callable[[Result[T]], None]) -> None:
        """Call `callback` with this once it is done, at once if it is."""
        if self._done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def set(self, value: Any, error: BaseException | None = None) -> None:
        """It is there; the first call counts."""
        if not self._done:
            self._done, self._value, self._error = True, value, error
            callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback(self)

    def __await__(self) -> Generator[Any, None, T]:
        if not self._done:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.on_done(lambda _: None if future.done() else future.set_result(None))
            yield from future
        return self.value()


class Running:
    """One run of a graph.

    Attributes:
        engine: the engine; its seats have the counters, its wires the demand.
        results: graph node of a sink -> what it comes to.
        ended: done when every stage has stopped; fails with the first error of a stage.
    """

    def __init__(self, blueprint: Blueprint, host: RunnableHost) -> None:
        self.ended: Result[None] = Result()
        whole, self.results = hear_sinks(blueprint)
        self.engine: Engine = start(whole, host, self._done)

    @property
    def result(self) -> Result[Any]:
        """What the only sink comes to; without a sink that comes to something: the end of the run.

        Raises:
            ConfigError: there are several sinks.
        """
        return only(self.results, self.ended)

    def stop(self, error: BaseException | None = None) -> None:
        """Stop every stage now; what they hold is dropped, or failed with `error`. In the host's thread, outside a turn.

        Results that are not there fail with `error`, or with a StreamError that says so.
        """
        self.engine.stop(error)
        fail_open(self.results, error)

    def _done(self, error: BaseException | None) -> None:
        fail_open(self.results, error)
        self.ended.set(None, error)


class SinkSubscriber(IslandSubscriber):
    """A `Subscriber` made of a sink, with what it comes to.

    Attributes:
        results: as of `Running`.
    """

    def __init__(self, blueprint: Blueprint, host: RunnableHost, window: int) -> None:
        whole, self.results = hear_sinks(blueprint)
        self._ended: Result[None] = Result()
        super().__init__(whole, host, window)

    @property
    def result(self) -> Result[Any]:
        """As of `Running`."""
        return only(self.results, self._ended)

    def stop(self, error: BaseException | None = None) -> None:
        """Stop it now: upstream is cancelled."""
        super().stop(error)
        fail_open(self.results, error)


def hear_sinks(blueprint: Blueprint) -> tuple[Blueprint, dict[str, Result[Any]]]:
    """A copy in which every sink also reports to a result of this run."""
    whole = Blueprint()
    names = whole.absorb(blueprint)
    results: dict[str, Result[Any]] = {}
    for name in names.values():
        stage = whole.nodes[name]
        if isinstance(stage, SinkStage):
            results[name] = result = Result[Any]()
            whole.nodes[name] = msgspec.structs.replace(stage, done=_both(stage.done, result))
    return whole, results


def only(results: dict[str, Result[Any]], otherwise: Result[Any]) -> Result[Any]:
    """The one of `results`, or `otherwise` if there is none."""
    if len(results) > 1:
        raise ConfigError(f"there are several results: {', '.join(results)}", "take one of `results` by name")
    return next(iter(results.values()), otherwise)


def fail_open(results: dict[str, Result[Any]], error: BaseException | None) -> None:
    """A result that is not there when the run has ended will never be."""
    for name, result in results.items():
        if not result.done():
            result.set(None, error or StreamError(f"the stream was stopped before {name} had ended"))


def _both(done: Done, result: Result[Any]) -> Done:
    def told(value: Any, error: BaseException | None) -> None:
        result.set(value, error)
        done(value, error)

    return told
