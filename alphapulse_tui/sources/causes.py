"""Why a client library failed: the system call's own answer under its layers of exceptions.

httpx says "All connection attempts failed", redis-py "Error 111 connecting to ..."; a person wants "refuses connections".
"""

from __future__ import annotations


def causes(error: BaseException) -> list[BaseException]:
    """``error`` and what lies under it, outermost first."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < 16:
        one = waiting.pop(0)
        if one is None or one in found:
            continue
        found.append(one)
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else []
        waiting.append(one.__cause__ or one.__context__)
    return found


def refused(error: BaseException) -> bool:
    """Whether nobody listens at the other end."""
    return any(isinstance(cause, ConnectionRefusedError) for cause in causes(error))
