"""Checks between sections: names, references, addresses, TLS off loopback, things two adapters cannot share."""

from __future__ import annotations

import logging
from pathlib import Path as FilePath
from stat import S_IMODE, S_IWGRP, S_IWOTH

from rt_edge.data.ids import is_name
from rt_edge.sdk.adapter import DeviceAdapter
from rt_edge.sdk.address import Address
from rt_edge.sdk.points import writable
from rt_edge.sdk.registry import BROKEN_HINT, broken
from rt_edge.settings.draft import CheckedAdapter, Draft, End
from rt_edge.settings.places import Path, path_words
from rt_edge.settings.report import Report
from rt_edge.settings.sections import TlsSection
from rt_edge.streams.model import FROM, nearest_hint

log = logging.getLogger(__name__)

NAME_RULE = "1 to 64 small letters, digits, '.', '_', '-'; first and last a letter or digit"
_TLS_HINT = "add tls: {ca: FILE, cert: FILE, key: FILE}"


def check_all(draft: Draft, report: Report) -> None:
    """Every check of this module."""
    check_names(draft, report)
    _check_data(draft, report)
    for end in draft.ends:
        _check_end(draft, report, end)
    _check_used(draft, report)
    _check_uplinks(draft, report)
    _check_ingress(draft, report)
    _check_stores(draft, report)
    _check_claims(draft, report)
    _check_islands(draft, report)


def _check_data(draft: Draft, report: Report) -> None:
    """Who may write into the data directory may put a spool, a store or a lock of theirs there before the node does."""
    if draft.node is None:
        return
    data = FilePath(report.file).parent / draft.node.data
    try:
        mode = S_IMODE(data.stat().st_mode)
    except OSError:
        return  # not there yet: the node makes it for itself alone; or not to be looked at from here
    who = "everybody" if mode & S_IWOTH else "its group" if mode & S_IWGRP else ""
    if who:
        say = report.error if mode & S_IWOTH else report.warn
        say(("node", "data"), f"{who} may write into {data} (mode {mode:04o})", f"chmod 700 {data}, or name another directory")


def check_names(draft: Draft, report: Report) -> None:
    """Names are names; adapters, uplinks and stores share one name space, since `from` and `to` use it."""
    seen: dict[str, Path] = {}
    for section in ("adapters", "uplinks", "stores", "graphs"):
        for name in draft.names.get(section, ()):
            path = (section, name)
            if not is_name(name):
                report.error(path, f"{name!r} is not a name", NAME_RULE, key=True)
            elif section != "graphs" and name in seen:
                report.error(
                    path, f"{name!r} is also the name of {path_words(seen[name])}", "give one of them another name", key=True
                )
            seen.setdefault(name, path)


def _check_end(draft: Draft, report: Report, end: End) -> None:
    path, name = end.path, end.name
    names = draft.names
    if end.kind == FROM:
        if name not in names["adapters"]:
            others = [s for s in ("uplinks", "stores") if name in names[s]]
            hint = (
                f"{name!r} is one of the {others[0]}; `from` takes adapters" if others else nearest_hint(name, names["adapters"])
            )
            report.error(path, f"there is no adapter {name!r}", hint)
        return
    if end.point:
        _check_command(draft, report, end)
        return
    if name in names["uplinks"] or name in names["stores"]:
        return
    checked = draft.adapters.get(name)
    if checked is not None and not _takes(checked):
        report.error(
            path, f"adapter {name!r} (kind {checked.kind}) only reads", "`to` takes an uplink, a store or an adapter that writes"
        )
    elif name not in names["adapters"]:
        known = [*names["uplinks"], *names["stores"], *(n for n in names["adapters"] if _takes(draft.adapters.get(n)))]
        hint = nearest_hint(name, known)
        if not (names["uplinks"] or names["stores"] or hint.startswith("did")):
            hint = "the file has none: add `uplinks:` or `stores:`, with a name for each"
        report.error(path, f"there is no uplink, store or adapter {name!r}", hint)


def _takes(checked: CheckedAdapter | None) -> bool:
    """Whether readings may be sent to it; an adapter with errors of its own is not known to refuse them."""
    return checked is None or checked.adapter.deliver is not DeviceAdapter.deliver


def _commanded(checked: CheckedAdapter) -> bool:
    """Whether commands may go to it: then it needs no graph."""
    try:
        return writable(checked.adapter.points(checked.settings))
    except Exception as error:
        log.debug("adapter kind %s cannot name its points", checked.kind, exc_info=error)
        return False


def _check_command(draft: Draft, report: Report, end: End) -> None:
    """Commands of a graph go to a writable point of an adapter."""
    checked = draft.adapters.get(end.name)
    path = (*end.path, "command")
    if checked is None:
        if end.name not in draft.names["adapters"]:
            report.error(path, f"there is no adapter {end.name!r}", nearest_hint(end.name, draft.names["adapters"]))
        return
    try:
        points = checked.adapter.points(checked.settings)
    except Exception as error:  # noqa: BLE001 - code of others
        report.error(path, f"adapter kind {checked.kind!r} is broken: {broken(error)}", BROKEN_HINT)
        return
    point = points.get(end.point)
    if point is None:
        report.error(path, f"adapter {end.name!r} has no point {end.point!r}", nearest_hint(end.point, points))
    elif not point.writable:
        report.error(path, f"{end.name}/{end.point} is not writable", "say `writable: true` at the point")


def _check_used(draft: Draft, report: Report) -> None:
    """Warn about what no graph uses; only when every graph could be read."""
    if set(draft.graphs) != set(draft.names["graphs"]):
        return
    used = {end.name for end in draft.ends}
    if draft.ingress is not None:
        used.add(draft.ingress.store)
    commanded = {name for name, checked in draft.adapters.items() if _commanded(checked)}
    used |= commanded
    if not draft.graphs:
        hint = "add graphs: {NAME: [{from: ADAPTER}, {to: STORE OR UPLINK}]}"
        for name in sorted(commanded):
            report.warn(("adapters", name), "there are no graphs: it takes commands, and nothing reads it", hint)
    for section in ("adapters", "uplinks", "stores"):
        for name in draft.names[section]:
            if name not in used:
                report.warn((section, name), "no graph uses it", "name it behind `from` or `to`, or remove it")


def _check_uplinks(draft: Draft, report: Report) -> None:
    listen = draft.ingress.listen if draft.ingress is not None else None
    for name, uplink in draft.uplinks.items():
        path: Path = ("uplinks", name)
        for index, peer in enumerate(uplink.peers):
            here = (*path, "peers", index)
            if peer in uplink.peers[:index]:
                report.error(here, f"the peer {peer} is here twice", "remove one")
            if peer.port == 0:
                report.error(here, f"{peer} has port 0", "write the port its ingress listens on")
            if listen is not None and peer == listen:
                report.error(here, f"{peer} is this node's own ingress", "name another node")
            if not peer.is_loopback and uplink.tls is None:
                report.error(here, f"{peer} is not on loopback and there is no tls", _TLS_HINT)
        if len(uplink.peers) > 1 and uplink.failover is None:
            hint = "write failover: shared_store if they do (one database), else keep one peer"
            report.error((*path, "peers"), "more than one peer, and nothing says that they share one store", hint)
        if len(uplink.peers) == 1 and uplink.failover is not None:
            report.warn((*path, "failover"), "one peer: there is nothing to fail over to", "add a peer, or remove it")
        _check_files(uplink.tls, (*path, "tls"), report)


def _check_ingress(draft: Draft, report: Report) -> None:
    ingress = draft.ingress
    if ingress is None:
        return
    if ingress.store not in draft.names["stores"]:
        report.error(
            ("ingress", "store"), f"there is no store {ingress.store!r}", nearest_hint(ingress.store, draft.names["stores"])
        )
    if not _local(ingress.listen) and ingress.tls is None:
        report.error(("ingress", "listen"), f"{ingress.listen} is not loopback and there is no tls", _TLS_HINT)
    for index, node in enumerate(ingress.allow):
        if node in ingress.allow[:index]:
            report.error(("ingress", "allow", index), f"{node!r} is here twice", "remove one")
        if draft.node is not None and node == draft.node.id:
            report.error(("ingress", "allow", index), f"{node!r} is this node itself", "name the nodes that connect to it")
    _check_files(ingress.tls, ("ingress", "tls"), report)


def _local(address: Address) -> bool:
    return address.is_loopback


def _check_files(tls: TlsSection | None, path: Path, report: Report) -> None:
    if tls is None:
        return
    for field in ("ca", "cert", "key"):
        file = FilePath(report.file).parent / str(getattr(tls, field))
        if not file.is_file():
            report.warn((*path, field), f"{file} is not on this machine", "the node does not start without it")


def _check_stores(draft: Draft, report: Report) -> None:
    seen: dict[str, str] = {}
    for name, store in draft.stores.items():
        file = store.path or f"store/{name}.db"
        if file in seen:
            report.error(
                ("stores", name), f"the stores {seen[file]!r} and {name!r} are one file, {file}", "give each its own path"
            )
        seen.setdefault(file, name)


def _check_claims(draft: Draft, report: Report) -> None:
    """What only one adapter can have (a serial port, a client id at a broker), and what adapters say of their settings."""
    owners: dict[str, str] = {}
    for name, checked in draft.adapters.items():
        path: Path = ("adapters", name)
        try:
            claimed = dict(checked.adapter.claims(checked.settings))
            for advice in checked.adapter.advice(checked.settings):
                report.warn((*path, *advice.at), advice.message, advice.hint)
        except Exception as error:  # noqa: BLE001 - code of others
            report.error((*path, "kind"), f"adapter kind {checked.kind!r} is broken: {broken(error)}", BROKEN_HINT)
            continue
        for what, where in claimed.items():
            if what in owners:
                message = f"{what} is used by the adapters {owners[what]!r} and {name!r}"
                report.error((*path, *where), message, "only one can have it: give this one another, or join the two")
            owners.setdefault(what, name)


def _check_islands(draft: Draft, report: Report) -> None:
    for (section, name), island in draft.islands.items():
        path: Path = ("ingress", "island") if section == "ingress" else (section, name, "island")
        if not is_name(island):
            report.error(path, f"{island!r} is not a name", NAME_RULE)
        elif draft.island == "all":
            report.warn(path, "`island: all` puts everything in one process; this has no effect", "remove one of the two")
