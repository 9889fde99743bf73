"""TLS for links: mutual, 1.3 only, against the cluster's own CA (design 8)."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from stat import S_IMODE

import msgspec

from rt_edge.actors.transport.identity import Identity
from rt_edge.data.errors import ConfigError

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
        made.load_verify_locations(cafile=pki.ca)
        made.load_cert_chain(pki.certificate, pki.key)
    except ssl.SSLError as error:
        raise ConfigError(f"the certificates {pki.ca}, {pki.certificate} and {pki.key} do not work: {error}") from error
    except OSError as error:
        raise ConfigError(f"{error.filename or pki.ca} cannot be read: {error.strerror}") from error
    return made


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
