"""WRITE: one module a target. An action plans, executes and verifies; only the executor calls ``execute``."""
