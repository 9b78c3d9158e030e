"""The programs that run in the lab's pods and beside them: real users of PostgreSQL, Redis and Vault, under a steady load.

``api`` and ``worker`` run in pods (:mod:`alphapulse_tui.lab.kubernetes.images`), ``edge`` is the platform's public address and carries the
load, ``exporter`` tells Prometheus what the servers do. Each is a program of its own: ``python -m alphapulse_tui.lab.workloads.api``.
:mod:`.target` starts them all.
"""
