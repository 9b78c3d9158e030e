"""S3 of the lab: bucket ``alphapulse-backups`` on moto's server, in a process of its own. A stand-in, not the real thing.

What it speaks is what moto implements of S3 (https://docs.getmoto.org/en/latest/docs/services/s3.html), path-style addresses, over HTTP.
What moto leaves open is closed here: a request is signed with a key that the lab gave out, or refused (:mod:`.signature`). Objects live in
the server's memory and its unlinked temporary files: they are gone with its process.

Measured: 0.7 s of CPU until it answers, 55 MB (PSS) after the first round of backups, 0.02 % of a core idle.
"""
