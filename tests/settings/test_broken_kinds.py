"""Kinds of third parties that are broken: an error of the entries that name them, beside all others; never an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rt_edge.cli.adapters import describe_kind
from rt_edge.sdk import Capability, DeviceAdapter
from rt_edge.sdk.registry import AdapterEntry, Registry
from rt_edge.settings.load import Checked
from rt_edge.settings.schema import whole_schema
from rt_edge.streams.catalogue import Catalogue

TEXT = "node: {id: a}\nadapters:\n  x: {kind: odd, channel: {serial: s}}\n  y: {kind: buss}\n"


class Odd(DeviceAdapter):
    """Nothing is wrong with it."""

    kind = "odd"

    @classmethod
    def settings_model(cls) -> type[Any]:
        from rt_edge.sdk.settings import Settings

        class Free(Settings):
            channel: dict[str, str] = {}
            """Anything."""

        return Free

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("polled", "native")

    async def open(self) -> None:
        raise NotImplementedError

    def demand(self, n: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class Silent(Odd):
    """A setting without a docstring."""

    @classmethod
    def settings_model(cls) -> type[Any]:
        from rt_edge.sdk.settings import Settings

        class Mute(Settings):
            dark: int = 1

        return Mute


class Raising(Odd):
    """A validator that fails by itself."""

    @classmethod
    def settings_model(cls) -> type[Any]:
        from rt_edge.sdk.settings import Settings, model_validator

        class Wrong(Settings):
            channel: dict[str, str] = {}
            """Anything."""

            @model_validator(mode="after")
            def _look(self) -> Wrong:
                self.channel["nothing"]
                return self

        return Wrong


class Promising(Odd):
    """A promise that cannot be said."""

    @classmethod
    def capability(cls, settings: Any) -> Any:
        return settings.no_such_setting


class Claiming(Odd):
    """Claims that are none."""

    @classmethod
    def claims(cls, settings: Any) -> Any:
        return {1: 2, **settings.channel["serial"]}


def _no_module() -> Any:
    raise TypeError("unsupported\noperand")


CASES = {
    "setting without docstring": (
        lambda: Silent,
        "adapter kind 'odd' has no usable settings: TypeError: Mute: no docstring under dark",
    ),
    "validator": (lambda: Raising, "adapter kind 'odd' is broken: KeyError: 'nothing'"),
    "capability": (
        lambda: Promising,
        "adapter kind 'odd' is broken: AttributeError: the settings have no 'no_such_setting', only channel",
    ),
    "claims": (lambda: Claiming, "adapter kind 'odd' is broken: TypeError: 'str' object is not a mapping"),
    "module": (_no_module, "adapter kind 'odd' cannot be imported: TypeError: unsupported operand"),
}


@pytest.mark.parametrize("case", CASES)
def test_is_one_error_beside_others_when_a_kind_is_broken(check: Callable[..., Checked], case: str) -> None:
    """The entry is named with its place and the reason, the mistake in the next entry is found as well, and `adapters` and
    `schema` go on without the kind."""
    make, message = CASES[case]
    registry = Registry([AdapterEntry("odd", make), AdapterEntry("bus", lambda: Odd)])
    errors = [str(error) for error in check(TEXT, registry=registry).errors]
    assert errors == [
        f"node.yaml:3:13: adapters > x > kind: {message} (a mistake in its package, not in this file: tell its author)",
        "node.yaml:4:13: adapters > y > kind: there is no adapter kind 'buss' (did you mean 'bus'?)",
    ]
    entry = registry.entry("odd")
    assert entry is not None
    assert (describe_kind(entry).capability is None) == (case != "claims")
    assert "adapter-odd" in whole_schema(registry, Catalogue({}))["$defs"]
