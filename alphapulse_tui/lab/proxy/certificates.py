"""A server's certificate that expired yesterday, signed by an authority of its own."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


def expired_context(authority_file: Path | None = None) -> ssl.SSLContext:
    """A server's TLS context for 127.0.0.1 and localhost; its authority's certificate goes to ``authority_file`` for who wants to trust it."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fault proxy")])
    root = (
        _builder(authority, authority, authority_key, now - 30 * _DAY, now + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    leaf = (
        _builder(subject, authority, key, now - 30 * _DAY, now - _DAY)
        .add_extension(names, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    if authority_file is not None:
        authority_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The ssl module reads files only; these live for this one call.
    with tempfile.NamedTemporaryFile() as both:
        both.write(leaf.public_bytes(serialization.Encoding.PEM))
        private = serialization.PrivateFormat.PKCS8
        both.write(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
        both.flush()
        context.load_cert_chain(both.name)
    return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
