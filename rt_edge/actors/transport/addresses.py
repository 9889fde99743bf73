"""Addresses: of links, and keys for addresses in general (Thespian's are not hashable)."""

from __future__ import annotations

from typing import Any

from thespian.actors import ActorAddress
from thespian.system.addressManager import ActorLocalAddress
from thespian.system.transport.IPBase import IPActorAddress

Key = tuple[Any, ...]


class LinkDetails(IPActorAddress):  # type: ignore[misc]
    """The inside of the address of a link: (peer's name, connection number).

    `peer` is the node id that the peer's certificate proves, or, for a link that is still being made, `host:port`; `number`
    counts the connections of this process and never repeats. It means something only in the process that holds the link.
    Family, type and protocol are None, so that Thespian's comparisons with its own addresses say "not equal".
    """

    af = socktype = proto = None

    def __init__(self, peer: str, number: int) -> None:
        self.sockname = self.bindname = (peer, number)

    @property
    def peer(self) -> str:
        """Node id of the peer."""
        return str(self.sockname[0])

    @property
    def number(self) -> int:
        """Connection number."""
        return int(self.sockname[1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinkDetails) and self.sockname == other.sockname

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.sockname)

    def __str__(self) -> str:
        return f"(link|{self.peer}#{self.number})"

    def isLocalAddr(self) -> bool:
        """Never."""
        return False

    def isSameSystem(self, _other: object) -> bool:
        """Never."""
        return False


def link_address(peer: str, number: int) -> ActorAddress:
    """The address of a link, to send to and to compare with."""
    return ActorAddress(LinkDetails(peer, number))


def link_details(address: ActorAddress) -> LinkDetails | None:
    """The inside of a link's address; None for an actor's."""
    details = address.addressDetails
    return details if isinstance(details, LinkDetails) else None


def address_key(address: ActorAddress) -> Key:
    """Something hashable, equal for equal addresses.

    A child has two addresses: the one that `createActor` gave, which the parent alone can use, and the real one, from which
    its messages come. While the real one is not known the key is of the first.
    """
    details = address.addressDetails
    if isinstance(details, ActorLocalAddress):
        known = details.addressManager.exportAddr(address) if details.addressManager is not None else None
        if known is None:
            return ("child", details.addressInstanceNum)
        details = known.addressDetails
    if isinstance(details, IPActorAddress):
        return tuple(details.sockname)
    return ("other", str(details))
