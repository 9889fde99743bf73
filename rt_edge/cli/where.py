"""Which node a command is about: its data directory, its spools, its stores, and the node itself while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rt_edge.actors.errors import NoNode
from rt_edge.data.errors import ConfigError

if TYPE_CHECKING:
    from rt_edge.daemon.client import RunningNode

DEFAULT_DATA = Path("/var/lib/rt-edge")
SQLITE_MAGIC = b"SQLite format 3\0"


def data_dir(config: Path | None, data: Path | None) -> Path:
    """Where the node keeps its data: given, in its configuration, in RT_EDGE_DATA, here, or the packaged place.

    Args:
        config: a configuration file; a directory counts as `data`.
        data: the directory itself.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if data is not None:
        return data
    if config is not None:
        if config.is_dir():
            return config
        from rt_edge.settings.launch import read_plan

        return Path(read_plan(config).node.data)
    named = os.environ.get("RT_EDGE_DATA", "")
    if named:
        return Path(named)
    return Path() if Path("run/node.json").is_file() else DEFAULT_DATA


@contextmanager
def running_node(data: Path) -> Iterator[RunningNode]:
    """The node that runs on `data`.

    Raises:
        NoNode: none does, or it does not answer.
    """
    from rt_edge.daemon.client import connect

    try:
        with connect(data) as node:
            yield node
    except NoNode as error:
        which = "or name its configuration, or --data DIRECTORY, or set RT_EDGE_DATA"
        hint = f"{error.hint}, {which}" if data == DEFAULT_DATA else error.hint
        raise NoNode(error.message, hint) from error
    except PermissionError as error:
        raise NoNode(f"{data} is another user's", "ask as that user, or as root") from error


def files_in(folder: Path, what: str) -> list[Path]:
    """The databases in `spool/` or `store/` of a data directory, by name.

    Raises:
        ConfigError: the data directory is not there.
    """
    if not folder.parent.is_dir():
        raise ConfigError(f"there is no data directory {folder.parent}", f"a node that runs with a {what} makes it")
    return sorted(folder.glob("*.db"))


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:
        return False
