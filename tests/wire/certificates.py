"""Certificates that are not right, each in one way, from an authority that is trusted."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "api.example"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Authority:
    """Issues certificates. `valid` is when its own certificate is; one without `signs` is no authority at all."""

    def __init__(
        self, name: str, issuer: Authority | None = None, valid: tuple[int, int] = (-10, 10), signs: bool = True
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = issuer or self
        builder = _builder(self.name, signer.name, self.key.public_key(), valid)
        builder = builder.add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
        self.cert = builder.sign(signer.key, hashes.SHA256())

    def pem(self) -> bytes:
        """The certificate."""
        return self.cert.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        folder: Path,
        valid: tuple[int, int] = (-10, 10),
        names: tuple[str, ...] = (HOST,),
        bits: int = 0,
        usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        chain: bytes = b"",
    ) -> ssl.SSLContext:
        """A server's side of TLS with a certificate of this authority. `valid` in days from today; `bits` of an RSA
        key, else an elliptic one; without `names` the host is told in the subject alone."""
        key: Any = rsa.generate_private_key(65537, bits) if bits else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        builder = _builder(subject, self.name, key.public_key(), valid)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        cert = builder.sign(self.key, hashes.SHA256())
        file = folder / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        file.write_bytes(private + cert.public_bytes(serialization.Encoding.PEM) + chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT@SECLEVEL=0")  # a server may be as lax as it likes
        context.load_cert_chain(file)
        return context


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, valid: tuple[int, int]) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(NOW + valid[0] * DAY).not_valid_after(NOW + valid[1] * DAY)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
