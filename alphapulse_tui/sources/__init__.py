"""The READ side: one module a target, one contract (``contract.Source``), readings on the board.

``build.make_sources`` makes the sources of a profile and imports only the client libraries that they need; ``contract.SourceLoop`` runs
each in a task of its own; ``build.read_once`` asks every target once, for the headless ``status``.
"""
