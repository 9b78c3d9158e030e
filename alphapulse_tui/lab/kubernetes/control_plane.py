"""The three servers of the control plane as process specs: etcd, kube-apiserver, kube-controller-manager.

All three are started together: each waits for the one it needs by itself, which is quicker than starting them in turn (2.2 to 3.4 s until
ready). Stop the controller manager and the agent before the API server: with clients connected its polite end takes a minute.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from alphapulse_tui.lab.errors import NotReadyError
from alphapulse_tui.lab.kubernetes.pki import Pki
from alphapulse_tui.lab.platform import Lab
from alphapulse_tui.lab.process import ProcessSpec

TARGET_NAME = "kubernetes"
READY_SECONDS = 60.0
"""How long the API server may take to be ready on a busy machine."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What the three servers are told."""

    lab: Lab
    pki: Pki
    binaries: dict[str, Path]
    controller_kubeconfig: Path

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://127.0.0.1:{self.lab.ports['kube-apiserver']}"

    def specs(self) -> tuple[ProcessSpec, ...]:
        """The three servers."""
        return (self._etcd(), self._api_server(), self._controller_manager())

    def _spec(self, name: str, arguments: list[str], *, stop_seconds: float) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            argv=(str(self.binaries[name]), *arguments),
            directory=self.lab.directory.data("kubernetes"),
            log=self.lab.log(name),
            stop_signal=signal.SIGTERM,
            stop_seconds=stop_seconds,
            target=TARGET_NAME,
        )

    def _etcd(self) -> ProcessSpec:
        client = f"http://127.0.0.1:{self.lab.ports['etcd']}"
        peer = f"http://127.0.0.1:{self.lab.ports['etcd-peer']}"
        arguments = [
            f"--data-dir={self.lab.directory.data('kubernetes', 'etcd')}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
            # Its data dies with the lab: nothing is worth a sync.
            "--unsafe-no-fsync",
        ]
        return self._spec("etcd", arguments, stop_seconds=3.0)

    def _api_server(self) -> ProcessSpec:
        pki = self.pki
        arguments = [
            f"--etcd-servers=http://127.0.0.1:{self.lab.ports['etcd']}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.lab.ports['kube-apiserver']}",
            f"--tls-cert-file={pki.api_server.certificate}",
            f"--tls-private-key-file={pki.api_server.key}",
            f"--client-ca-file={pki.authority}",
            "--authorization-mode=Node,RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki.service_account_public}",
            f"--service-account-signing-key-file={pki.service_account_key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            # A loopback address is no valid endpoint: the reconciler would fail for ever.
            "--endpoint-reconciler-type=none",
            f"--kubelet-client-certificate={pki.kubelet_client.certificate}",
            f"--kubelet-client-key={pki.kubelet_client.key}",
            f"--kubelet-certificate-authority={pki.authority}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={pki.front_proxy_authority}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki.front_proxy_client.certificate}",
            f"--proxy-client-key-file={pki.front_proxy_client.key}",
            "--profiling=false",
        ]
        return self._spec("kube-apiserver", arguments, stop_seconds=2.0)

    def _controller_manager(self) -> ProcessSpec:
        arguments = [
            f"--kubeconfig={self.controller_kubeconfig}",
            "--bind-address=127.0.0.1",
            "--secure-port=0",
            "--leader-elect=false",
            # Pods listen on loopback, which no endpoint may name: these three would only fill the events with their failures.
            "--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller",
            f"--service-account-private-key-file={self.pki.service_account_key}",
            f"--root-ca-file={self.pki.authority}",
            # With a service account for each controller the first pods come 5 s later.
            "--use-service-account-credentials=false",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--horizontal-pod-autoscaler-downscale-stabilization=10s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
            # A new pod's usage counts once a whole window of it was measured after it was ready: the CPU of its imports is no load.
            "--horizontal-pod-autoscaler-cpu-initialization-period=30s",
            "--profiling=false",
        ]
        return self._spec("kube-controller-manager", arguments, stop_seconds=2.0)

    async def ready_answer(self, timeout: float) -> str:
        """What ``/readyz`` says within ``timeout`` seconds: empty when it is ready, else what is wrong in a few words."""
        context = ssl.create_default_context(cafile=str(self.pki.authority))
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.get(f"{self.url}/readyz", ssl=context) as response,
            ):
                return "" if response.status == 200 else f"the API server answers {response.status} to /readyz"
        except TimeoutError:
            return f"the API server did not answer within {timeout:g} s"
        except aiohttp.ClientError:
            return "the API server cannot be reached"

    async def wait_ready(self) -> None:
        """Return when the API server is ready.

        Raises:
            NotReadyError: It is not after :data:`READY_SECONDS`.
        """
        answer = "the API server was not asked"
        try:
            async with asyncio.timeout(READY_SECONDS):
                while answer := await self.ready_answer(2.0):  # noqa: ASYNC110 - another process: there is no event to wait for
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise NotReadyError(f"{answer} after {READY_SECONDS:g} s: see {self.lab.log('kube-apiserver')}") from None
