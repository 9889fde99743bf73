"""TLS for links: mutual, 1.3 only, against the cluster's own CA (design 8)."""

from __future__ import annotations

import logging
import ssl
from ipaddress import ip_address
from pathlib import Path
from stat import S_IMODE

import msgspec

from rt_edge.actors.transport.identity import Identity
from rt_edge.data.errors import ConfigError

_log = logging.getLogger("rt_edge.actors.tls")
_OTHERS = 0o077


class NodePki(msgspec.Struct, frozen=True):
    """The files that let this node prove who it is and know others.

    Attributes:
        ca: certificate of the cluster's CA, PEM.
        certificate: this node's, PEM; its subject alternative name has one URI `rt-edge://<role>/<node-id>`.
        key: this node's private key, PEM, mode 0600.
    """

    ca: Path
    certificate: Path
    key: Path


class Plain(msgspec.Struct, frozen=True):
    """No TLS: allowed on loopback alone.

    Attributes:
        identity: who this node says it is; the peer has nothing but that.
    """

    identity: Identity


Security = NodePki | Plain


def context(pki: NodePki, server: bool) -> ssl.SSLContext:
    """A context that demands and shows a certificate. The private key is read here, so only in the process that needs it.

    Raises:
        ConfigError: a file cannot be read, the key does not fit, or others may read the key.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False  # the identity is the node id in the certificate, not a name in the DNS
    made.verify_mode = ssl.CERT_REQUIRED
    if server:
        made.num_tickets = 0  # no resumption: each session shows its certificate
    try:
        mode = S_IMODE(pki.key.stat().st_mode)
        if mode & _OTHERS:
            raise ConfigError(f"the private key {pki.key} has mode {mode:04o}", f"chmod 600 {pki.key}")
        for file in (pki.ca, pki.certificate):
            file.open("rb").close()  # OpenSSL does not say which one is not there
        made.load_verify_locations(cafile=pki.ca)
        made.load_cert_chain(pki.certificate, pki.key)
    except ssl.SSLError as error:
        raise ConfigError(f"the certificates {pki.ca}, {pki.certificate} and {pki.key} do not work: {error}") from error
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}") from error
    return made


class ListenerContext:
    """What a listener shows and demands, by its files as they are now: renewed certificates need no restart.

    A connection that is up keeps what it began with. Files that do not work (one is renewed, the other not yet) change nothing:
    the listener goes on with what it had, and says so once.

    Raises:
        ConfigError: as `context`, when it is made.
    """

    def __init__(self, pki: NodePki) -> None:
        self._pki = pki
        self._seen = _stamps(pki)  # before they are read, so that what changes meanwhile is seen the next time
        self._context = context(pki, server=True)

    def current(self) -> ssl.SSLContext:
        """The context for a connection that begins now."""
        stamps = _stamps(self._pki)
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._context = context(self._pki, server=True)
            except ConfigError as error:
                _log.warning("new connections get the certificates of before: %s", error)
            else:
                _log.info("the certificates were renewed: new connections get those of %s", self._pki.certificate)
        return self._context


def _stamps(pki: NodePki) -> list[tuple[int, int, int] | None]:
    """Differs when a file was written, replaced, or given another mode; None for one that is not there."""
    found: list[tuple[int, int, int] | None] = []
    for path in (pki.ca, pki.certificate, pki.key):
        try:
            is_now = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((is_now.st_ino, is_now.st_ctime_ns, is_now.st_size))
    return found


def is_loopback(host: str) -> bool:
    """Whether `host` is written as a loopback address (a name is not looked up for this, and `localhost` is one)."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_secure(host: str, security: Security) -> None:
    """Refuse a plain link to or from any address that is not loopback.

    Raises:
        ConfigError: it is.
    """
    if isinstance(security, Plain) and not is_loopback(host):
        raise ConfigError(f"{host} is not a loopback address, and the link has no TLS", "configure ca, certificate and key")
