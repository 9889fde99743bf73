"""Small kinds of adapters and stages, so that these tests do not depend on the real ones; `check` runs a text through it all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from rt_edge.sdk import Capability, ConfigError, DeviceAdapter
from rt_edge.sdk.registry import AdapterEntry, Registry
from rt_edge.settings.load import Checked, load
from rt_edge.streams.catalogue import Catalogue
from rt_edge.streams.expression import compile_predicate
from rt_edge.streams.stage import IN, Inlet, Outlet, Stage


class BusAdapter(DeviceAdapter):
    """Devices on a line."""

    kind = "bus"

    @classmethod
    def settings_model(cls) -> type[Any]:
        from rt_edge.sdk.settings import (
            Duration,
            DurationField,
            Field,
            HostPort,
            Name,
            SecretField,
            SettingError,
            SettingErrors,
            Settings,
            model_validator,
        )

        class Serial(Settings):
            serial: str = Field(description="device")
            parity: Literal["none", "even", "odd"] = Field(default="none", description="parity")

        class Tcp(Settings):
            tcp: HostPort = Field(description="address")

        class Unit(Settings):
            unit: int = Field(ge=1, le=247, description="Station address on the bus.")
            every: DurationField = Field(default=Duration(1.0), gt=0, le=3600, description="period")
            writable: bool = Field(default=False, description="w")

        class BusSettings(Settings):
            channel: Serial | Tcp = Field(description="line")
            units: dict[Name, Unit] = Field(default={}, description="devices")
            password: SecretField | None = Field(default=None, description="password")

            @model_validator(mode="after")
            def _each_once(self) -> BusSettings:
                seen: dict[int, str] = {}
                errors = []
                for name, unit in self.units.items():
                    if unit.unit in seen:
                        message = f"unit {unit.unit} is {seen[unit.unit]!r} already"
                        errors.append(SettingError(message, "give it another", ("units", name, "unit")))
                    seen[unit.unit] = name
                if errors:
                    raise SettingErrors(errors)
                return self

        return BusSettings

    @classmethod
    def capability(cls, settings: Any) -> Capability:
        return Capability("polled", "native", writable=True)

    @classmethod
    def claims(cls, settings: Any) -> dict[str, tuple[str, ...]]:
        if hasattr(settings.channel, "serial"):
            return {f"the serial port {settings.channel.serial}": ("channel", "serial")}
        return {}

    async def open(self) -> None:
        raise NotImplementedError

    def demand(self, n: int) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


class PostAdapter(BusAdapter):
    """Also takes readings."""

    kind = "post"

    async def deliver(self, readings: Any) -> None:
        raise NotImplementedError


class Filter(Stage, frozen=True):
    """Lets pass.

    Attributes:
        where: the expression.
    """

    kind: ClassVar[str] = "filter"
    shorthand: ClassVar[str] = "where"
    where: str

    def __post_init__(self) -> None:
        compile_predicate(self.where)


class Band(Stage, frozen=True):
    """A band.

    Attributes:
        field: the field to look at.
    """

    kind: ClassVar[str] = "band"
    field: str
    absolute: float = 0.0
    mode: Literal["first", "last"] = "first"


class Merge(Stage, frozen=True):
    """Several into one."""

    kind: ClassVar[str] = "merge"
    count: int = 2

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return tuple(Inlet(f"in{i}", i) for i in range(self.count))


class Broadcast(Stage, frozen=True):
    """One to several."""

    kind: ClassVar[str] = "broadcast"
    count: int = 2

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        return tuple(Outlet(f"out{i}", i) for i in range(self.count))


class Ignore(Stage, frozen=True):
    """Throws away."""

    kind: ClassVar[str] = "ignore"

    @property
    def inlets(self) -> tuple[Inlet, ...]:
        return (IN,)

    @property
    def outlets(self) -> tuple[Outlet, ...]:
        return ()


def _not_there() -> type[DeviceAdapter]:
    raise ConfigError("never called: the extra is missing")


@pytest.fixture
def registry() -> Registry:
    """Kinds `bus` (reads), `post` (reads and writes), and `radio`, whose library is not installed."""
    entries = [
        AdapterEntry("bus", lambda: BusAdapter),
        AdapterEntry("post", lambda: PostAdapter),
        AdapterEntry("radio", _not_there, "rt-edge", "pip install rt-edge[radio]", ("radiolib",)),
    ]
    return Registry(entries)


@pytest.fixture
def catalogue() -> Catalogue:
    """Stages `filter`, `band`, `merge`, `broadcast`, `ignore`."""
    return Catalogue({stage.kind: stage for stage in (Filter, Band, Merge, Broadcast, Ignore)})


@pytest.fixture
def check(tmp_path: Path, registry: Registry, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Checked]:
    """Write a text to `node.yaml` in a directory of its own, which is the current one, and check it."""
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, **options: Any) -> Checked:
        Path("node.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        defaults: dict[str, Any] = {"registry": registry, "catalogue": catalogue, "memory": 8_000_000_000}
        return load(Path("node.yaml"), **(defaults | options))

    return run
