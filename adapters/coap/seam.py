"""What the adapter needs of a CoAP stack: a channel to one host, and a server; of aiocoap in transport.py and server.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from adapters.coap.oscore import OscoreContext


class Answer(NamedTuple):
    """A response, whole.

    Attributes:
        code: class and detail, `2.05`.
        payload: assembled, if it came in blocks.
        content_format: number of the Content-Format option (RFC 7252, 12.3); None without it.
        max_age: seconds it stays fresh (RFC 7252, 5.10.5); 60 where the option is missing.
        observe: sequence number of a notification (RFC 7641, 2); None: the server does not observe.
        etag: names this state of the resource; empty without the option.
        direct: it came with the acknowledgement of the request, and is no notification that came in between.
    """

    code: str
    payload: bytes
    content_format: int | None = None
    max_age: float = 60.0
    observe: int | None = None
    direct: bool = False
    etag: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the code is a success."""
        return self.code.startswith("2.")


class Target(NamedTuple):
    """What is asked for.

    Attributes:
        path: segments of the path.
        query: items of the query.
        accept: Content-Format asked for; None leaves it to the server.
    """

    path: tuple[str, ...]
    query: tuple[str, ...] = ()
    accept: int | None = None


class Tuning(NamedTuple):
    """Transmission parameters (RFC 7252, 4.8), and our own bounds.

    Attributes:
        ack_timeout: seconds before the first retransmission.
        retransmits: retransmissions of a confirmable message.
        timeout: seconds for an exchange, from its sending to the whole response.
        max_payload: bytes of a response, all blocks together.
    """

    ack_timeout: float
    retransmits: int
    timeout: float
    max_payload: int


class Security(NamedTuple):
    """How a host is spoken to.

    Attributes:
        identity, key: for DTLS with a pre-shared key; no key: no DTLS.
        oscore: for OSCORE; None: none.
    """

    identity: str = ""
    key: bytes = b""
    oscore: OscoreContext | None = None


class Unanswered(Exception):
    """Nothing came in time, or the network said why; `alive`: something else came from this host meanwhile."""

    def __init__(self, message: str, alive: bool) -> None:
        super().__init__(message)
        self.alive = alive


class BadAnswer(Exception):
    """An answer that cannot be used: blocks that do not fit together, more bytes than allowed."""


Told = Answer | BadAnswer | Unanswered
"""What comes of an observation: a notification, its end, or that the host is not there any more."""


class Observing(Protocol):
    """One observation, from its registration on."""

    async def refresh(self) -> Answer:
        """Register again with the same token (RFC 7641, 3.3.1). The answer is not given to the callback too.

        Raises:
            Unanswered: nothing came.
            BadAnswer: it cannot be used.
        """
        ...

    async def cancel(self) -> None:
        """Deregister with the same token (RFC 7641, 3.6); returns when the server has answered, or does not in time."""
        ...

    def drop(self) -> None:
        """Forget it without a word; the next notification is answered with a reset."""
        ...


class Channel(Protocol):
    """The way to one host."""

    async def open(self) -> None:
        """Make the socket.

        Raises:
            Unanswered: no such name, or no route.
        """
        ...

    async def ping(self) -> None:
        """Ask for a sign of life (RFC 7252, 4.3).

        Raises:
            Unanswered: none came.
        """
        ...

    async def get(self, target: Target, etag: bytes = b"") -> Answer:
        """GET, all blocks.

        Args:
            target: what.
            etag: of what is known already: if it is still so, the answer is 2.03 without a payload (RFC 7252, 5.10.6.2).

        Raises:
            Unanswered: nothing came.
            BadAnswer: it cannot be used.
        """
        ...

    async def put(self, target: Target, method: str, payload: bytes, content_format: int) -> Answer:
        """Set it, confirmable, in one message.

        Args:
            target: what.
            method: `put` or `post`.
            payload, content_format: to what.

        Raises:
            Unanswered: nothing came: it may have been set.
            BadAnswer: it cannot be used: as above.
        """
        ...

    async def observe(self, target: Target, notified: Callable[[Told], None]) -> tuple[Answer, Observing | None]:
        """Register; the first answer, and the observation if the server took it.

        Args:
            target: what.
            notified: called with each later notification, in the order of arrival, duplicates included.

        Raises:
            Unanswered: nothing came.
            BadAnswer: it cannot be used.
        """
        ...

    async def close(self) -> None:
        """Let the socket go; nothing is called any more."""
        ...


MakeChannel = Callable[[str, int, Tuning, Callable[[], Security]], Channel]
"""Host, port, times, and what tells keys: asked at each opening, so that a rotated file counts."""


class Pushed(NamedTuple):
    """A request that brings readings.

    Attributes:
        endpoint: address and port it came from.
        mid: message id.
        token: its token.
        confirmable: whether the sender repeats it until it is acknowledged.
        method: `POST`, `PUT`, ...
        path: segments.
        query: items.
        content_format: number; None without the option.
        payload: assembled.
        identity: whose key protected it; empty: nobody's.
        once: names the message for ever (OSCORE: context and sequence number), whatever address and token it came with; or empty.
        replayed: it was received before (OSCORE): it counts only if it is known.
    """

    endpoint: str
    mid: int
    token: bytes
    confirmable: bool
    method: str
    path: tuple[str, ...]
    query: tuple[str, ...]
    content_format: int | None
    payload: bytes
    identity: str = ""
    once: bytes = b""
    replayed: bool = False


class Reply(NamedTuple):
    """Our response to a push.

    Attributes:
        code: `2.04`.
        diagnostic: why, for a person.
        max_age: seconds after which to try again; None: not said.
    """

    code: str
    diagnostic: str = ""
    max_age: int | None = None


TakePush = Callable[[Pushed], Awaitable[Reply]]


class Server(Protocol):
    """A listening endpoint."""

    port: int

    async def open(self) -> None:
        """Bind.

        Raises:
            OSError: the address is not ours, or in use.
        """
        ...

    async def close(self) -> None:
        """Let the socket go; requests without their response get none."""
        ...
