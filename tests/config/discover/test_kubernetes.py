from __future__ import annotations

from pathlib import Path

import pytest

from alphapulse_tui.config.discover import kubernetes
from alphapulse_tui.errors import CredentialError
from tests.empty_home import secret_file

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: production
clusters:
- name: main
  cluster: {server: "https://10.0.0.1:6443"}
users:
- name: sso
  user: {exec: {command: /usr/bin/aws, args: [eks, get-token]}}
- name: static
  user: {token: hunter2hunter2}
contexts:
- name: production
  context: {cluster: main, user: sso}
- name: staging
  context: {cluster: gone, user: static}
"""

SECOND = """
current-context: lab
clusters:
- {name: lab, cluster: {server: "https://127.0.0.1:6443"}}
- {name: main, cluster: {server: "https://never"}}
users: [{name: cert, user: {client-certificate-data: QQ==}}]
contexts: [{name: lab, context: {cluster: lab, user: cert}}, {name: odd}, 3]
"""


def test_the_kubeconfig_is_the_variable_then_the_usual_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kubernetes.kubeconfig() == ("", "")
    usual = secret_file(home / ".kube" / "config", KUBECONFIG)
    assert kubernetes.kubeconfig() == (str(usual), "kubectl's default")
    monkeypatch.setenv("KUBECONFIG", "/a:/b")
    assert kubernetes.kubeconfig() == ("/a:/b", "environment variable KUBECONFIG")


def test_several_files_are_merged_and_the_first_definition_wins(home: Path) -> None:
    first = secret_file(home / "first", KUBECONFIG)
    second = secret_file(home / "second", SECOND)
    files = f"{first}::{second}:{home}/gone"
    current, contexts = kubernetes.contexts(files)
    assert current == "production"
    assert list(contexts) == ["production", "staging", "lab"]
    production = contexts["production"]
    assert (production.server, production.login, production.file) == ("https://10.0.0.1:6443", "exec plugin aws", first)
    assert (contexts["staging"].server, contexts["staging"].login) == ("", "token")
    assert (contexts["lab"].login, contexts["lab"].file) == ("client certificate", second)
    assert kubernetes.chosen_context(files, "").name == "production"
    assert kubernetes.chosen_context(files, "lab").cluster == "lab"


BAD = [
    ("", "", "has no current context"),
    ("contexts: []", "x", 'has no context "x"'),
    (KUBECONFIG, "prodution", 'has no context "prodution"; did you mean "production"?'),
    ("a: [\n", "", "line 2 is not YAML"),
    ("a:\n  - b\n c: d", "", "line 3 is not YAML"),
    ("[1, 2]", "", "is not a kubeconfig: it holds no table"),
    ("!!python/object/apply:os.system [exit]", "", "line 1 is not YAML"),
    ("a:\n  b: 2026-02-30", "", "is not YAML"),
    ("a:\n" + "[" * 100_000, "", "line 2 is not YAML"),
    ("a: " + "x" * kubernetes.LARGEST_FILE, "", "is larger than 4 MiB: it is not a kubeconfig"),
    ("contexts: {a: b}\ncurrent-context: a", "", 'has no context "a"'),
]


@pytest.mark.parametrize(("text", "context", "sentence"), BAD, ids=[sentence for *_, sentence in BAD])
def test_a_kubeconfig_that_cannot_be_used(home: Path, text: str, context: str, sentence: str) -> None:
    file = secret_file(home / "config", text or "{}")
    with pytest.raises(CredentialError) as caught:
        kubernetes.chosen_context(str(file), context)
    assert caught.value.sentence == f"kubeconfig {file} {sentence}"


def test_no_kubeconfig_at_all(home: Path) -> None:
    with pytest.raises(CredentialError, match=rf"^kubeconfig {home}/gone does not exist$"):
        kubernetes.chosen_context(f"{home}/gone", "")
    with pytest.raises(
        CredentialError, match=r"^no kubeconfig: KUBECONFIG is not set and ~/\.kube/config does not exist$"
    ):
        kubernetes.chosen_context("", "")
