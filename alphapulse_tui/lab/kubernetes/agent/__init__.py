"""The node agent: registers a Node and runs each container of its pods as the local process that it stands for.

It is scheduler and kubelet of a one-node cluster, inside the lab's daemon, so that pods die with the lab in every case: their processes are
the :class:`~alphapulse_tui.lab.process.Supervisor`'s. What is Kubernetes' own stays so: the agent sees pods only through the API server.

- :mod:`.node` watches pods and gives each a :mod:`.pod` worker; :mod:`.registration` keeps Node and Lease.
- :mod:`.container` runs one container: start, probes, end, back-off, restart. :mod:`.status` says it in the API's words.
- :mod:`.environment` resolves variables, :mod:`.probes` asks for readiness, :mod:`.events` tells what happened.
- :mod:`.logs` keeps what a container said; :mod:`.server` answers ``kubectl logs`` and, by :mod:`.execution`, ``kubectl exec``.
- :mod:`.usage` measures what containers use; :mod:`.metrics` answers ``kubectl top`` and the autoscaler.
- :mod:`.discovery` writes where pods listen, for Prometheus and the edge.

Not done, since nothing of the lab asks for it: init containers, mounted volumes, port-forward, attach. Liveness probes neither: they would
restart what the fault ``target-hung`` has frozen, and so mend it.
"""
