"""The resources of a host: its /.well-known/core, in the link format of RFC 6690."""

from __future__ import annotations

from typing import Any

from adapters.coap.address import host_address
from adapters.coap.links import LINK_FORMAT, MAX_LINKS, found_links, parse_links
from adapters.coap.seam import BadAnswer, Target, Tuning, Unanswered
from adapters.coap.transport import AiocoapChannel
from rt_edge.sdk import CodecError, FatalAdapterError, ScanReport, TransientError

MAX_BYTES = 262_144
"""Longest list."""


async def scan(settings: Any, report: ScanReport) -> None:
    """A host, if one is named, else all on an interface. See `scan_host` and `multicast.scan_network`."""
    if settings.target is not None:
        await scan_host(settings, report)
        return
    from adapters.coap.multicast import scan_network

    await scan_network(settings, report)


async def scan_host(settings: Any, report: ScanReport) -> None:
    """Ask for /.well-known/core and tell `report` each resource.

    Args:
        settings: a `CoapScan`, or an object with its attributes.
        report: who is told.

    Raises:
        TransientError: no answer.
        FatalAdapterError: the host has no such list.
    """
    address = host_address(settings.target)
    tuning = Tuning(settings.ack_timeout, settings.retransmits, settings.duration, MAX_BYTES)
    channel = AiocoapChannel(address.host, address.port, tuning)
    report.progress(0, 1, f"asking {address}")
    try:
        await channel.open()
        answer = await channel.get(Target((".well-known", "core"), accept=LINK_FORMAT))
    except (Unanswered, BadAnswer) as problem:
        raise TransientError(f"{address}: {problem}", "is the address right, is the device on?") from None
    finally:
        await channel.close()
    if not answer.ok:
        hint = "ask its manual for the paths"
        raise FatalAdapterError(f"{address} answers {answer.code} to /.well-known/core: it does not list its resources", hint)
    try:
        links = parse_links(answer.payload.decode())
    except (CodecError, UnicodeDecodeError) as error:
        raise FatalAdapterError(f"{address}: its list of resources cannot be read: {error}") from None
    if len(links) == MAX_LINKS:
        report.note(f"only the first {MAX_LINKS} resources are listed")
    for found in found_links(links):
        report.found(found)
    report.progress(1, 1, "done")
