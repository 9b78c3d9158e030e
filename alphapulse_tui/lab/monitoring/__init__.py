"""Prometheus and Alertmanager of the lab, with the runbook's six alerts as real rules (``rules.yml``).

:mod:`.prometheus` and :mod:`.alertmanager` are two targets: each comes up, and can be broken, by itself.
"""
