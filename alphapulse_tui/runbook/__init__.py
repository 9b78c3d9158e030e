"""Procedures: their schema, the engine that walks them, and the files themselves in ``procedures/``."""
