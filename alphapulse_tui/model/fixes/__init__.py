"""The fixes menu, one module a target; ``menu.py`` puts them together."""
