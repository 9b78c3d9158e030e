"""The exporter's sources, one module a kind of server; :mod:`.source` is their contract."""
