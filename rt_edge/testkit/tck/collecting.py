"""Verifications of what options of the plug-in name, as classes, and their tests as items of a run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rt_edge.protocol.demand import UNBOUNDED
from rt_edge.testkit.tck.bench import Verification
from rt_edge.testkit.tck.environment import OnLoop
from rt_edge.testkit.tck.processor import IdentityProcessorVerification
from rt_edge.testkit.tck.publisher import PublisherVerification
from rt_edge.testkit.tck.subscriber import SubscriberBlackboxVerification
from rt_edge.testkit.tck.whitebox import SubscriberWhiteboxVerification

SUBJECTS: dict[str, tuple[type[Verification], str]] = {
    "publisher": (PublisherVerification, "create_publisher"),
    "subscriber_blackbox": (SubscriberBlackboxVerification, "create_subscriber"),
    "subscriber_whitebox": (SubscriberWhiteboxVerification, "create_subscriber"),
    "processor": (IdentityProcessorVerification, "create_identity_processor"),
}
"""Option -> its verification, and the method that the factory takes the place of."""


def load(option: str, ref: str) -> Any:
    """What `package.module:name` names.

    Raises:
        pytest.UsageError: it is written otherwise, or is not there; names the option.
    """
    module, _, name = ref.partition(":")
    if not module or not name:
        raise pytest.UsageError(f"--tck-{option.replace('_', '-')}: {ref!r} is not package.module:name")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"--tck-{option.replace('_', '-')} {ref}: {error}") from error
    return found


def verifications(options: dict[str, str]) -> Iterator[type[Verification]]:
    """A class for each thing that is to be verified.

    Raises:
        pytest.UsageError: an option makes no sense, or nothing is to be verified.
    """
    subjects = [option for option in SUBJECTS if option in options]
    if not subjects:
        raise pytest.UsageError(f"nothing to verify: give one of {', '.join('--tck-' + s.replace('_', '-') for s in SUBJECTS)}")
    knobs = _knobs(options)
    for option in subjects:
        base, method = SUBJECTS[option]
        factory = load(option, options[option])
        if isinstance(factory, type) and issubclass(factory, Verification):
            yield factory
            continue
        name = "Test" + "".join(part.capitalize() for part in option.split("_"))
        yield type(name, (base,), {method: _method(factory), **knobs, "__doc__": f"`{options[option]}`"})


def collect(session: pytest.Session, options: dict[str, str]) -> list[pytest.Item]:
    """The tests of the verifications.

    Raises:
        pytest.UsageError: as `verifications`.
    """
    module = ModuleType("reactive_streams")
    for cls in verifications(options):
        setattr(module, cls.__name__ if cls.__name__.startswith("Test") else f"Test{cls.__name__}", cls)
    node = _Module.from_parent(session, path=Path(__file__), nodeid="reactive_streams")
    node.synthetic = module
    return list(session.genitems(node))


class _Module(pytest.Module):
    """A module that is in no file."""

    synthetic: ModuleType

    def _getobj(self) -> ModuleType:
        return self.synthetic


def _method(factory: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _self, *args: factory(*args)


def _knobs(options: dict[str, str]) -> dict[str, Any]:
    knobs: dict[str, Any] = {}
    for option, method in (
        ("failed_publisher", "create_failed_publisher"),
        ("trigger_request", "trigger_request"),
        ("stop", "stop"),
        ("element", "create_element"),
        ("settle", "settle"),
    ):
        if option in options:
            knobs[method] = _method(load(option, options[option]))
    if "loop" in options:
        loop = load("loop", options["loop"])
        knobs["create_environment"] = lambda it: OnLoop(loop(), it.signal_timeout, it.no_signal_timeout)
    numbers: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
        ("timeout", "signal_timeout", float),
        ("no_signal_timeout", "no_signal_timeout", float),
        ("max_elements", "max_elements_from_publisher", lambda text: UNBOUNDED if text == "unbounded" else int(text)),
        ("max_subscribers", "max_supported_subscribers", int),
        ("recursion", "bounded_depth_of_on_next_and_request_recursion", int),
        ("coordinated", "does_coordinated_emission", _yes),
        ("strict", "strict", _yes),
    )
    for option, knob, convert in numbers:
        if option in options:
            try:
                knobs[knob] = convert(options[option])
            except ValueError as error:
                raise pytest.UsageError(f"--tck-{option.replace('_', '-')}: {error}") from error
    return knobs


def _yes(text: str) -> bool:
    if text.lower() in {"yes", "true", "on", "1"}:
        return True
    if text.lower() in {"no", "false", "off", "0"}:
        return False
    raise ValueError(f"{text!r} is neither yes nor no")
