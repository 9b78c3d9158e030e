"""The views of every target's detail screen, as data: one module a target; ``all.py`` puts them together."""
