"""Who a peer is: the role and the node id in its certificate (design 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rt_edge.data.errors import RefusedError
from rt_edge.data.ids import is_name

SCHEME = "rt-edge://"
ROLES = ("edge", "upstream", "operator")


class Identity(msgspec.Struct, frozen=True):
    """A node as its certificate proves it.

    Attributes:
        role: one of `ROLES`.
        node: its id.
    """

    role: str
    node: str

    def __str__(self) -> str:
        return f"{self.role}/{self.node}"

    @property
    def uri(self) -> str:
        """As it stands in the subject alternative name."""
        return f"{SCHEME}{self.role}/{self.node}"


def parse_identity(text: str) -> Identity:
    """The identity in `role/node-id`, with or without the scheme.

    Raises:
        RefusedError: not of this form, an unknown role, or no valid node id.
    """
    role, slash, node = text.removeprefix(SCHEME).partition("/")
    if not slash or role not in ROLES or not is_name(node):
        raise RefusedError(f"{text[:100]!r} does not name a role and a node", f"roles are {', '.join(ROLES)}")
    return Identity(role, node)


def identity_of(certificate: Mapping[str, Any] | None) -> Identity:
    """The identity in a verified certificate, as `SSLObject.getpeercert` gives it.

    Raises:
        RefusedError: none, several, or one that is malformed.
    """
    names = (certificate or {}).get("subjectAltName", ())
    uris = [value for kind, value in names if kind == "URI" and value.startswith(SCHEME)]
    if len(uris) != 1:
        raise RefusedError(f"the certificate names {len(uris)} nodes", f"it needs one URI {SCHEME}<role>/<node-id>")
    return parse_identity(uris[0])


class Admission(msgspec.Struct, frozen=True):
    """Whom a link is made with, and what the peer may send.

    Attributes:
        kinds: role -> kinds of frame it may send; None: any. A role that is not a key is refused.
        node: the node id that the peer must have; None: any.
    """

    kinds: dict[str, frozenset[str] | None]
    node: str | None = None

    def check(self, peer: Identity) -> frozenset[str] | None:
        """The kinds this peer may send; None: any.

        Raises:
            RefusedError: it is not admitted.
        """
        if peer.role not in self.kinds:
            raise RefusedError(f"{peer} is not admitted here: its role is {peer.role}, not {' or '.join(sorted(self.kinds))}")
        if self.node is not None and peer.node != self.node:
            raise RefusedError(f"the peer is {peer.node}, not {self.node}")
        return self.kinds[peer.role]
