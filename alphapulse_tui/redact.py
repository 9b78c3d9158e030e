"""Keep secrets out of everything that is written or shown: journal, export, log, crash report, status.

Two walls again. What the program itself used (a token it read, a password from a pass file) is told to
:func:`remember_secret` by whoever reads it, and found in every form in which client libraries repeat it: as it is,
URL-quoted, JSON-escaped, and inside base64 (an ``Authorization: Basic`` header). What it never saw (a password in
somebody's SQL or log line) is found by the shape of it. Callers: the journal, the log formatter, the crash report, the
exporter; each passes every text through :func:`redact` right before it leaves the process.

Shapes err on the side of hiding: a lost word costs less than a leaked token. They are no proof of absence, so secrets
are kept out of texts by construction first (design 7, Secrets).
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

REDACTED: Final = "(redacted)"
"""What stands where a secret stood: plain in Markdown, HTML, markup and SQL alike."""

SHORTEST_SECRET: Final = 4
"""Characters below which a value is not remembered: redacting every ``a`` would leave no text to read."""

SHORTEST_BASE64: Final = 8
"""Characters of base64 below which a part of a longer encoding is no evidence of a secret."""

_VALUE: Final = r"""(?!\(redacted\))(?:\\?"[^"\\]*(?:\\.[^"\\]*)*\\?"|'(?:[^'\\]|\\.|'')*'|[^\s&"'`]+)"""
_ASSIGNED: Final = r"""\\?["']?\s*[=:]\s*"""

_SHAPES: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        # A private key in PEM, cut short or not.
        r"()-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
        # user:password@ in a URL; the password may hold a slash; a port followed by a path is none.
        r"""([A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@"']{0,200}:)(?!\d{1,5}(?:[/?#\s]|\Z))[^\s"'<>]{1,500}(?=@)""",
        # token@ in a URL, as git and proxies write it.
        r"""([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^\s/:@"']{20,500}(?=@)""",
        # HTTP headers.
        r"(?i)((?:authorization|x-vault-token)" + _ASSIGNED + r"(?:bearer\s+|basic\s+|(?!bearer\s|basic\s)))" + _VALUE,
        r"(?i)(\b(?:bearer|basic)\s+)(?=[\w+/.~-]*[\d+/=._-])[\w+/.~-]{8,}=*",
        # password=..., "client_token": "...", PGPASSWORD=..., secret_key: ...
        r"(?i)((?:passw(?:or)?d|passphrase|pwd|pgpassword|rediscli_auth|requirepass|masterauth)" + _ASSIGNED + ")" + _VALUE,
        r"(?i)((?:token|secret|(?:api|access|private|secret|unseal)[_-]?key|secret[_-](?:id|access[_-]key)|key[_-]?share)"
        r"""(?:\s*=\s*|\\?["']\s*:\s*|:\s?(?=["'])))""" + _VALUE,
        # PASSWORD 'x', E'x', $$x$$ in SQL, cut short or not; requirepass x in redis.conf, --password x on a command line.
        r"(?i)(\bpassword\s+)(?:e'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)|(?:u&)?'(?:[^']|'')*(?:'|\Z))",
        r"(?i)(\bpassword\s+)(?P<quote>\$(?:[^\W\d]\w*)?\$).*?(?:(?P=quote)|\Z)",
        r"(?i)(\b(?:requirepass|masterauth)\s+)\S+",
        r"(?i)(--(?:password|passphrase|pass|token|secret)\s+)" + _VALUE,
        # Vault and OpenBao tokens: service, batch, recovery; before 1.10 "s." and 24 characters.
        r"(\b)(?:hv[sbr]\.[\w-]{16,}|[sbr]\.[A-Za-z0-9]{24}(?:\.[A-Za-z0-9]{5})?\b)",
        # Unseal key shares: 33 bytes in base64 or hex.
        r"((?<![A-Za-z0-9+/=]))(?=[A-Za-z+/]*\d)(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])[A-Za-z0-9+/]{44}(?![A-Za-z0-9+/=])",
        r"((?<![0-9A-Za-z]))[0-9a-f]{66}(?![0-9A-Za-z])",
        # AWS access key ids, JSON web tokens, GitHub tokens.
        r"(\b)(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"(\b)eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?",
        r"(\b)gh[pousr]_[A-Za-z0-9]{30,}",
    )
)  # fmt: skip

_lock = threading.Lock()
_remembered: frozenset[str] = frozenset()
_known: re.Pattern[str] | None = None
"""All of them in one, made when the next text is redacted: a client that connects again tells the same secrets again."""


def remember_secret(value: str | bytes) -> None:
    """Have ``value`` redacted from now on, in every thread; shorter than :data:`SHORTEST_SECRET` it is ignored."""
    global _remembered, _known  # One process, one set of secrets: whoever writes a text cannot know who read them.
    secret = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    secret = secret.strip()
    if len(secret) < SHORTEST_SECRET:
        return
    forms = _forms_of(secret)
    with _lock:
        if not forms <= _remembered:
            _remembered, _known = _remembered | forms, None


def forget_secrets() -> None:
    """Forget every remembered secret: for tests, and for a process that changes its profile."""
    global _remembered, _known
    with _lock:
        _remembered, _known = frozenset(), None


def redact(text: str) -> str:
    """``text`` with remembered secrets and everything of a secret's shape replaced by ``(redacted)``.

    >>> redact("could not connect to postgres://oncall:hunter2@127.0.0.1/alphapulse")
    'could not connect to postgres://oncall:(redacted)@127.0.0.1/alphapulse'
    """
    if _remembered:
        text = _all_remembered().sub(REDACTED, text)
    for shape in _SHAPES:
        text = shape.sub(rf"\g<1>{REDACTED}", text)
    return text


def redact_each(told: Any) -> Any:
    """``told`` (strings, numbers, lists and dicts) with every text in it redacted by itself: what is made of it stays JSON.

    >>> redact_each({"said": ["--password hunter2 --verbose", 7]})
    {'said': ['--password (redacted) --verbose', 7]}
    """
    if isinstance(told, str):
        return redact(told)
    if isinstance(told, Mapping):
        return {key: redact_each(item) for key, item in told.items()}
    return [redact_each(item) for item in told] if isinstance(told, list | tuple) else told


def _all_remembered() -> re.Pattern[str]:
    global _known
    with _lock:
        if _known is None:
            longest_first = sorted(_remembered, key=lambda form: (-len(form), form))
            # Forgotten meanwhile: nothing matches.
            _known = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        return _known


def _forms_of(secret: str) -> frozenset[str]:
    """Every spelling of ``secret`` that libraries put into messages."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, quote(raw, safe=""), quote(raw), quote_plus(raw), json.dumps(secret)[1:-1]}
    forms |= {repr(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    for before in range(3):  # Where the secret starts within a group of three bytes decides what its base64 looks like.
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=").decode()
        # The first and last characters mix bits of the neighbours; what is between them belongs to the secret alone.
        first = (0, 2, 3)[before]
        last = len(encoded) - (1 if (before + len(raw)) % 3 else 0)
        middle = encoded[first:last]
        if len(middle) >= SHORTEST_BASE64:
            forms |= {middle, middle.replace("+", "-").replace("/", "_")}
    return frozenset(forms)
