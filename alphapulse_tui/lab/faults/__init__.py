"""The faults of the lab: one module each; :mod:`~alphapulse_tui.lab.faults.registry` lists them."""
