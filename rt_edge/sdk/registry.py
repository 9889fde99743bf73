"""Registry of adapter kinds: a value made of entry points; an adapter's module is imported when its kind is used, not before."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from rt_edge.data.errors import ConfigError
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.streams.model import nearest_hint

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP = "rt_edge.adapters"
BROKEN_HINT = "a mistake in its package, not in this file: tell its author"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*;.*\bextra\s*==\s*['\"]([A-Za-z0-9._-]+)['\"]")


class AdapterEntry(msgspec.Struct, frozen=True):
    """One kind of adapter.

    Attributes:
        kind: its name in a configuration.
        load: imports and returns the class.
        package: the distribution that brings it; empty for one registered by hand.
        install: the command that installs its protocol library; empty when it needs none.
        missing: distributions of its extra that are not installed.
    """

    kind: str
    load: Callable[[], type[DeviceAdapter]]
    package: str = ""
    install: str = ""
    missing: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether all that its extra asks for is there."""
        return not self.missing

    def lacking(self) -> ConfigError:
        """What is said of what is missing."""
        return ConfigError(f"adapter kind {self.kind!r} needs {', '.join(self.missing)}, not installed here", self.install)


class Registry:
    """Kinds of adapters, by name.

    Args:
        entries: at most one a kind.

    Raises:
        ConfigError: two entries of one kind.
    """

    def __init__(self, entries: Iterable[AdapterEntry]) -> None:
        self._entries: dict[str, AdapterEntry] = {}
        for entry in entries:
            other = self._entries.get(entry.kind)
            if other is not None:
                who = f"{other.package} and {entry.package}"
                raise ConfigError(f"adapter kind {entry.kind!r} is brought by two packages: {who}", "uninstall one of them")
            self._entries[entry.kind] = entry

    @classmethod
    def installed(cls) -> Registry:
        """Every entry point of the group `rt_edge.adapters`."""
        from importlib.metadata import entry_points  # brings email: a running node does without (`named`)

        return cls(_entry(point) for point in entry_points(group=GROUP))

    @classmethod
    def named(cls, classes: Mapping[str, str]) -> Registry:
        """The adapters that are known to be there, `module:Class` by kind: nothing is searched, nothing imported yet."""
        return cls(AdapterEntry(kind, partial(_named, where)) for kind, where in classes.items())

    @classmethod
    def of(cls, classes: Mapping[str, type[DeviceAdapter]]) -> Registry:
        """A registry of classes at hand, for tests."""
        return cls(AdapterEntry(kind, lambda adapter=adapter: adapter) for kind, adapter in classes.items())  # type: ignore[misc]

    def kinds(self) -> tuple[str, ...]:
        """All kinds, sorted."""
        return tuple(sorted(self._entries))

    def entry(self, kind: str) -> AdapterEntry | None:
        """The entry of a kind; None if there is none."""
        return self._entries.get(kind)

    def load(self, kind: str) -> type[DeviceAdapter]:
        """The class of a kind.

        Raises:
            ConfigError: no such kind, its extra is not installed, or its module cannot be imported, for whatever reason.
        """
        entry = self._entries.get(kind)
        if entry is None:
            raise ConfigError(f"there is no adapter kind {kind!r}", nearest_hint(kind, self._entries))
        if entry.missing and not _does_without(entry):
            raise entry.lacking()
        try:
            adapter = entry.load()
        except ImportError as error:
            hint = entry.install or "reinstall its package"
            raise ConfigError(f"adapter kind {kind!r} cannot be imported: {error}", hint) from error
        except AttributeError as error:
            raise ConfigError(
                f"adapter kind {kind!r}: its entry point leads nowhere: {error}", "reinstall its package"
            ) from error
        except Exception as error:  # the module is somebody else's, and so are its mistakes
            raise ConfigError(f"adapter kind {kind!r} cannot be imported: {broken(error)}", BROKEN_HINT) from error
        if not (isinstance(adapter, type) and issubclass(adapter, DeviceAdapter)):
            raise ConfigError(f"adapter kind {kind!r}: {adapter!r} is not a DeviceAdapter", "reinstall its package")
        return adapter

    def check_extra(self, kind: str, adapter: type[DeviceAdapter], settings: Any) -> None:
        """That what an adapter with these settings needs is installed.

        Raises:
            ConfigError: it is not; with what to install.
        """
        entry = self._entries[kind]
        if entry.missing and adapter.needs_extra(settings):
            raise entry.lacking()

    def model(self, kind: str) -> type[Any]:
        """The settings model of a kind.

        Raises:
            ConfigError: as `load`, or the model cannot be made: a library that it needs is missing, a setting has no docstring.
        """
        adapter = self.load(kind)
        try:
            found = adapter.settings_model()
        except ImportError as error:
            entry = self._entries[kind]
            hint = entry.install or "reinstall its package"
            raise ConfigError(f"adapter kind {kind!r} cannot be imported: {error}", hint) from error
        except ConfigError:
            raise
        except Exception as error:  # as above
            raise ConfigError(f"adapter kind {kind!r} has no usable settings: {broken(error)}", BROKEN_HINT) from error
        return found


def broken(error: Exception) -> str:
    """What went wrong in code that is not ours, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _entry(point: EntryPoint) -> AdapterEntry:
    package = point.dist
    if package is None:
        return AdapterEntry(point.name, point.load)
    extras = package.metadata.get_all("Provides-Extra") or []
    if point.name not in extras:
        return AdapterEntry(point.name, point.load, package.name)
    install = f"pip install {package.name}[{point.name}]"
    return AdapterEntry(point.name, point.load, package.name, install, _missing(package, point.name))


def _does_without(entry: AdapterEntry) -> bool:
    """Whether some settings of a kind need nothing of its extra; a class that cannot even be imported does not count."""
    try:
        return not entry.load().needs_extra(None)
    except Exception:  # noqa: BLE001 - code of others, without its library: what is missing is said instead
        return False


def _named(where: str) -> type[DeviceAdapter]:
    module, _, name = where.partition(":")
    found: type[DeviceAdapter] = getattr(importlib.import_module(module), name)
    return found


def _missing(package: Distribution, extra: str) -> tuple[str, ...]:
    from importlib.metadata import PackageNotFoundError, distribution

    missing = []
    for requirement in package.requires or ():
        match = _REQUIREMENT.match(requirement)
        if match and match[2] == extra:
            try:
                distribution(match[1])
            except PackageNotFoundError:
                missing.append(match[1])
    return tuple(missing)
