"""A throw-away certificate authority for tests and the demo.

Needs the package `cryptography`; imported by nothing that a node loads.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rt_edge.actors.transport.identity import Identity
from rt_edge.actors.transport.tls import NodePki

_LIFE = timedelta(days=2)
_SKEW = timedelta(minutes=5)


class ThrowAwayCa:
    """A CA whose key lives in memory and whose certificates last two days.

    Args:
        folder: where files are written; made if it is not there.
        name: common name of the CA.

    Attributes:
        certificate: path of the CA's certificate, PEM.
    """

    def __init__(self, folder: Path, name: str = "rt-edge throw-away CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        made = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def issue(self, role: str, node: str, *, uris: tuple[str, ...] | None = None, expired: bool = False) -> NodePki:
        """A certificate and its key for a node.

        Args:
            role: `edge`, `upstream` or `operator`.
            node: node id; also the name of the files.
            uris: subject alternative names instead of the right one, to test refusals.
            expired: whether it ended an hour ago.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) + (timedelta(hours=-1) if expired else _LIFE)
        names = (Identity(role, node).uri,) if uris is None else uris
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - _LIFE - _SKEW)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            alternative = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in names])
            builder = builder.add_extension(alternative, critical=False)
        certificate_path, key_path = self._folder / f"{node}.pem", self._folder / f"{node}.key"
        certificate = builder.sign(self._key, hashes.SHA256())
        certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_private(
            key_path,
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )
        return NodePki(ca=self.certificate, certificate=certificate_path, key=key_path)


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that nobody else may read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
