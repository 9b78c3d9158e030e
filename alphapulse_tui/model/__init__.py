"""What we know of the platform: immutable snapshots and the rules that judge them.

Nothing here does I/O, knows a client library or a screen. Every text in a snapshot has passed ``text.clean()`` at its source's edge.
"""
