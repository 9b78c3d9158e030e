"""Who has a key for the lab's S3, and what it may do: the shape of the IAM policies of a real bucket, as one table."""

from __future__ import annotations

from dataclasses import dataclass

BUCKET = "alphapulse-backups"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Identity:
    """One access key's owner."""

    name: str
    methods: frozenset[str]
    """HTTP methods that it may use."""

    @property
    def access_key(self) -> str:
        """The public half of its key pair; the other half is the secret ``s3-NAME``."""
        return f"LAB{self.name.upper()}".ljust(20, "0")


_READ = frozenset({"GET", "HEAD"})
_WRITE = _READ | {"PUT", "POST"}

IDENTITIES = (
    Identity("backup", _WRITE | {"DELETE"}),
    # runbook-facts 3.4: PutObject and the calls of a multipart upload (its abort is a DELETE that names the upload); no object is deleted.
    Identity("oncall", _WRITE),
    Identity("viewer", _READ),
)
