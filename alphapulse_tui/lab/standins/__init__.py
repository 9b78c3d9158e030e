"""The services around the platform that an incident needs and that no wheel brings: stand-ins, said to be so.

One module a service, each with the part of the real interface that an incident uses; the module says which part and where it is documented.
One process serves them all, each on a port of its own. What all have in common is in :mod:`.front`: each keeps what it got
(``GET /_kept``, ``DELETE /_kept``), and can be told to fail, hang or slow down (``POST /_behave``). Start reading there; :mod:`.target`
brings the process up and writes where everything is into ``standins.json``.
"""
