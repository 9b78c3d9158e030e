"""The certificates: who they speak for, and that they are accepted by whom they should."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from alphapulse_tui.lab.kubernetes import kubeconfigs, pki


def subject(path: Path) -> tuple[str, list[str]]:
    name = x509.load_pem_x509_certificate(path.read_bytes()).subject
    groups = [str(one.value) for one in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value), groups


def test_users_and_groups_are_what_the_roles_are_bound_to(tmp_path: Path) -> None:
    made = pki.make(tmp_path / "pki", "node-1")
    assert subject(made.oncall.certificate) == ("oncall", ["alphapulse:oncall"])
    assert subject(made.admin.certificate) == ("admin", ["alphapulse:admins"])
    assert subject(made.viewer.certificate) == ("viewer", ["alphapulse:viewers"])
    assert subject(made.controller_manager.certificate) == ("system:kube-controller-manager", ["system:masters"])


def test_keys_are_ours_alone_and_match_their_certificates(tmp_path: Path) -> None:
    made = pki.make(tmp_path / "pki", "node-1")
    keys = list((tmp_path / "pki").glob("*.key"))
    assert len(keys) == 11
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    context = ssl.create_default_context(cafile=str(made.authority))
    # Raises when a key and its certificate are not a pair.
    context.load_cert_chain(made.api_server.certificate, made.api_server.key)


def test_a_kubeconfig_carries_everything_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    made = pki.make(tmp_path / "pki", "node-1")
    files = kubeconfigs.write(tmp_path, "https://127.0.0.1:1", made, "alphapulse")
    assert set(files) == {"admin", "oncall", "viewer", "controller-manager"}
    content = yaml.safe_load(files["oncall"].read_text())
    assert content["contexts"][0]["context"] == {
        "cluster": "alphapulse-lab",
        "user": "oncall",
        "namespace": "alphapulse",
    }
    assert set(content["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
    assert stat.S_IMODE(files["oncall"].stat().st_mode) == 0o600
