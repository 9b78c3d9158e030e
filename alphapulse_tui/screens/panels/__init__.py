"""The cockpit's seven panels: one module each, a pure function from snapshot to lines. What they share is in ``truth.py``."""
