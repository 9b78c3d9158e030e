"""The fault proxy: a relay between a client and a server that does one thing wrong, on purpose (design: "Targets that misbehave").

:mod:`.toxics` is the table of what can go wrong, :mod:`.relay` the proxy itself (a plain asyncio context manager, for tests),
:mod:`.fronts` puts it before any target of a living lab, :mod:`.sockets` is the little that has to be asked of the kernel for that.
"""
