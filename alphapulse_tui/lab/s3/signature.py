"""Checks the signature of S3 requests (AWS Signature Version 4, in the ``Authorization`` header), because moto does not.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html says how one is made; botocore makes it again here, from the
request as it came in and the secret that the lab gave out. Presigned addresses are not taken.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from alphapulse_tui.lab.s3.identities import IDENTITIES, Identity

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/s3/aws4_request,\s*SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})"
)
_ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message></Error>"""
_WORDS = {
    "AccessDenied": "Access Denied",
    "InvalidAccessKeyId": "The AWS Access Key Id you provided does not exist in our records.",
    "SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided.",
}


class Signed:
    """A WSGI application that lets only rightly signed requests through to another."""

    def __init__(self, application: Application, secrets: Mapping[str, str]) -> None:
        """``secrets``: the secret key of each identity, by its name."""
        self._application = application
        self._secrets = secrets

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Serve the request, or refuse it with S3's own error code."""
        refused = self.refusal(environ)
        if not refused:
            return self._application(environ, start_response)
        body = _ANSWER.format(code=refused, message=_WORDS[refused]).encode()
        start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def refusal(self, environ: Environ) -> str:
        """The error code of a request that may not pass; empty when it may."""
        found = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        if found is None:
            return "AccessDenied"
        access_key, region, names, signature = found.groups()
        identity = next((one for one in IDENTITIES if one.access_key == access_key), None)
        if identity is None:
            return "InvalidAccessKeyId"
        secret = self._secrets[identity.name]
        if not hmac.compare_digest(_signature(environ, access_key, secret, region, names.split(";")), signature):
            return "SignatureDoesNotMatch"
        return "" if _allowed(identity, environ) else "AccessDenied"


def _allowed(identity: Identity, environ: Environ) -> bool:
    method = environ["REQUEST_METHOD"]
    aborts = method == "DELETE" and "uploadId=" in environ.get("QUERY_STRING", "") and "PUT" in identity.methods
    return method in identity.methods or aborts


def _signature(environ: Environ, access_key: str, secret: str, region: str, names: list[str]) -> str:
    """What the signature must be for this request."""
    headers = {name: environ.get(_variable(name), "") for name in names}
    request = AWSRequest(
        environ["REQUEST_METHOD"], f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI']}", headers=headers
    )
    request.context["timestamp"] = headers.get("x-amz-date", "")
    signer = S3SigV4Auth(Credentials(access_key, secret), "s3", region)
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def _variable(header: str) -> str:
    """Where WSGI keeps a header."""
    name = header.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
