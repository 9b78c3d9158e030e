"""Kubernetes in the lab: the real control plane, and a node agent that runs each container as the local process it stands for.

:mod:`.target` brings it up. :mod:`.control_plane` holds the three servers' flags, :mod:`.pki` their certificates, :mod:`.kubeconfigs` the
users, :mod:`.access` what they may, :mod:`.manifests` the platform's objects, :mod:`.bounds` budgets, quota and autoscaler, :mod:`.mesh` the shares
of the traffic, :mod:`.images` which image stands for which program, :mod:`.agent` the node.
We write no API server: RBAC, rollouts, quota, dry-run, conflicts and evictions are Kubernetes' own.
"""
