"""Measurements, never assertions: what the program costs on this machine, beside its peers. ``make bench`` runs them."""
