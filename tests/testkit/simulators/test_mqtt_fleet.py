"""The fleet over TLS: the broker's certificate is checked, what is wrong is said, and the printed adapter knows who signed it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rt_edge.data.clock import SystemClock
from rt_edge.data.errors import TransientError
from rt_edge.testkit.mqtt_broker import TestBroker
from rt_edge.testkit.simulators.mqtt import MqttFleet
from rt_edge.testkit.waiting import until


def certificate(folder: Path) -> Path:
    """One that signs itself, for 127.0.0.1, with its key behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "broker.pem"
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def test_fleet_publishes_over_tls_to_who_can_show_the_certificate(tmp_path: Path) -> None:
    """With the right authority it does; with the system's, or without TLS, one line says why not."""

    async def run() -> None:
        path = certificate(tmp_path)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(path)
        broker = TestBroker(tls=server)
        await broker.start()
        try:
            where = (SystemClock(), Random(1), "127.0.0.1", broker.port, 2, 200.0, None, None)
            tls = ssl.create_default_context(cafile=path)
            async with MqttFleet(*where, tls, str(path)) as fleet:
                await until(lambda: fleet.counts()["acknowledged"] >= 20)
                (adapter,) = fleet.adapters().values()
                assert adapter["url"] == f"mqtts://127.0.0.1:{broker.port}"
                assert adapter["tls"] == {"ca": str(path)}
            with pytest.raises(TransientError, match=r"self.signed"):
                async with MqttFleet(*where, ssl.create_default_context()):
                    pass
        finally:
            await broker.stop()

    asyncio.run(asyncio.wait_for(run(), 30))
