"""The servers that no wheel carries: what each is, which Go module builds it, and which version of somebody else's fits.

One folder beside this file for each ``go.mod``; its ``go.sum`` pins every hash. Adding a server is adding an entry here, and a folder when it
needs a module of its own. Used by :mod:`.locate` and :mod:`.build`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent
_KUBERNETES = "1.36.3"
_STAMP = "k8s.io/component-base/version"
_COMMON = "github.com/prometheus/common/version"


@dataclass(frozen=True, slots=True)
class Server:
    """One executable that the lab needs and may have to build."""

    name: str
    """The executable's name, as on the PATH and in ``KUBEBUILDER_ASSETS``."""
    module: str
    """The folder beside this file that holds its ``go.mod``."""
    package: str
    """The Go package of its ``main``."""
    version: str
    """The version that we build."""
    fits_from: tuple[int, int]
    """The oldest ``(major, minor)`` on the PATH that serves the lab as well."""
    version_arguments: tuple[str, ...] = ("--version",)
    stamps: tuple[str, ...] = ()
    """``variable=value`` pairs for the linker: what the program answers when asked for its version."""
    tags: tuple[str, ...] = ()
    optional: bool = False
    """Nothing of the lab needs it; it is built only when asked for by name."""

    @property
    def folder(self) -> Path:
        """Where its ``go.mod`` and ``go.sum`` are."""
        return MODULES / self.module

    @property
    def digest(self) -> str:
        """Twelve hex digits over everything that decides what is built: go.mod, go.sum, package, stamps, tags."""
        sums = hashlib.sha256()
        for name in ("go.mod", "go.sum"):
            sums.update((self.folder / name).read_bytes())
        sums.update(repr((self.package, self.stamps, self.tags)).encode())
        return sums.hexdigest()[:12]


def _kubernetes(name: str, version_arguments: tuple[str, ...] = ("--version",), *, optional: bool = False) -> Server:
    major, minor, _ = _KUBERNETES.split(".")
    return Server(
        name=name,
        module="kubernetes",
        package=f"k8s.io/kubernetes/cmd/{name}",
        version=_KUBERNETES,
        # Older API servers speak SPDY to the node whatever the node declares, and `kubectl exec` would fail.
        fits_from=(1, 35),
        version_arguments=version_arguments,
        stamps=(f"{_STAMP}.gitVersion=v{_KUBERNETES}", f"{_STAMP}.gitMajor={major}", f"{_STAMP}.gitMinor={minor}"),
        optional=optional,
    )


SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        Server(
            name="etcd",
            module="kubernetes",
            package="go.etcd.io/etcd/server/v3",
            version="3.6.8",
            # etcd 3.4 serves Kubernetes 1.36 too, but the API server logs "Too large resource version" by the hundred.
            fits_from=(3, 6),
        ),
        Server(
            name="prometheus",
            module="prometheus",
            package="github.com/prometheus/prometheus/cmd/prometheus",
            version="3.16.0",
            fits_from=(2, 40),
            stamps=(f"{_COMMON}.Version=3.16.0",),
            # Leaves out the discoveries of every cloud: a third of the build time, half of the size; files and static stay.
            tags=("remove_all_sd",),
        ),
        Server(
            name="alertmanager",
            module="alertmanager",
            package="github.com/prometheus/alertmanager/cmd/alertmanager",
            version="0.31.1",
            fits_from=(0, 25),
            stamps=(f"{_COMMON}.Version=0.31.1",),
        ),
        _kubernetes("kubectl", ("version", "--client"), optional=True),
    )
}
"""Every server by its name, in the order in which they are built."""

CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")
"""What a Kubernetes control plane is made of."""

MONITORING = ("prometheus", "alertmanager")
"""What alerts need."""
