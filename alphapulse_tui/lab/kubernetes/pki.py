"""The control plane's certificates: two authorities (clients and servers; front proxy), and a certificate for everybody who speaks.

Called once when the lab starts (0.1 s with P-256 keys). Private keys are 0600 in a folder of the lab's directory and die with it.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from alphapulse_tui.lab.directory import write_private

METRICS_SERVICE = "metrics-server"
"""Name of the Service in ``kube-system`` by which the API server reaches the metrics API."""
_VALID = datetime.timedelta(days=365)
_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate speaks for."""

    name: str
    """Common name: the user to Kubernetes."""
    groups: tuple[str, ...] = ()
    """Organisations: the groups to Kubernetes."""
    hosts: tuple[str, ...] = ()
    """Names and addresses a server is reached by; none for a client."""


class Authority:
    """A certificate authority that lives as long as the lab's start."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._issuer = subject
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self._certificate = (
            _builder(subject, subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.crt"
        _write_certificate(self.certificate, self._certificate)

    def issue(self, file: str, subject: Subject) -> Pair:
        """Make a key and a certificate for ``subject``: for a server when it has hosts, else for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
        name = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])
        use = ExtendedKeyUsageOID.SERVER_AUTH if subject.hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(name, self._issuer, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(issuer_key, critical=False)
        )
        if subject.hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in subject.hosts]), critical=False
            )
        pair = Pair(self._folder / f"{file}.crt", self._folder / f"{file}.key")
        _write_certificate(pair.certificate, builder.sign(self._key, hashes.SHA256()))
        _write_key(pair.key, key)
        return pair


@dataclass(frozen=True, slots=True)
class Pki:
    """Every certificate of the control plane."""

    authority: Path
    front_proxy_authority: Path
    api_server: Pair
    kubelet_client: Pair
    """What the API server shows to the node agent."""
    front_proxy_client: Pair
    """What the API server shows to an aggregated API (metrics)."""
    controller_manager: Pair
    node: Pair
    """What the node agent shows to the API server."""
    kubelet: Pair
    """What the node agent serves with."""
    metrics: Pair
    """What the metrics API serves with; the API server calls it by the name of its Service."""
    admin: Pair
    oncall: Pair
    viewer: Pair
    service_account_key: Path
    service_account_public: Path


def make(folder: Path, node_name: str) -> Pki:
    """Make all certificates in ``folder``, replacing those of an earlier start."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority(folder, "ca")
    front_proxy = Authority(folder, "front-proxy-ca")
    service_account = ec.generate_private_key(ec.SECP256R1())
    key, public = folder / "service-account.key", folder / "service-account.pub"
    _write_key(key, service_account)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(service_account.public_key().public_bytes(serialization.Encoding.PEM, form))
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1", "10.0.0.1")
    masters = ("system:masters",)
    return Pki(
        authority=authority.certificate,
        front_proxy_authority=front_proxy.certificate,
        api_server=authority.issue("apiserver", Subject("kube-apiserver", hosts=names)),
        kubelet_client=authority.issue("apiserver-kubelet-client", Subject("kube-apiserver-kubelet-client", masters)),
        front_proxy_client=front_proxy.issue("front-proxy-client", Subject("front-proxy-client")),
        # As system:kube-controller-manager alone it is refused on replicasets, and no pod is ever made.
        controller_manager=authority.issue("controller-manager", Subject("system:kube-controller-manager", masters)),
        # The Node authorizer lets a system:node identity neither list all pods nor bind them; this agent is the scheduler too.
        node=authority.issue("node", Subject(f"lab:node-agent:{node_name}", masters)),
        kubelet=authority.issue(
            "kubelet", Subject(f"system:node:{node_name}", hosts=(node_name, "localhost", "127.0.0.1"))
        ),
        metrics=authority.issue("metrics", Subject("metrics-server", hosts=(f"{METRICS_SERVICE}.kube-system.svc",))),
        admin=authority.issue("admin", Subject("admin", ("alphapulse:admins",))),
        oncall=authority.issue("oncall", Subject("oncall", ("alphapulse:oncall",))),
        viewer=authority.issue("viewer", Subject("viewer", ("alphapulse:viewers",))),
        service_account_key=key,
        service_account_public=public,
    )


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.PrivateFormat.PKCS8
    write_private(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())
