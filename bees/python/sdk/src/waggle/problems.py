"""The errors with which a gateway answers instead of a result. Each error has the fields of application/problem+json (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional, Type

from .errors import WaggleError


class GatewayError(WaggleError):
    """A call of a gateway that gave no result.

    Attributes:
        status: the HTTP status; None if no answer came.
        code: a code of docs/errors.md, such as WAGGLE_REFUSED; empty if the answer has no code.
        title, detail: a description of the error.
        request_id: the request's id; None if it is unknown.
        bee: the bee that failed; None if no bee failed.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: Optional[int] = None,
        code: str = "",
        title: str = "",
        request_id: Optional[str] = None,
        bee: Optional[str] = None,
    ) -> None:
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.bee = bee
        who = "" if bee is None else f"{bee}: "
        super().__init__(f"{who}{detail}" + (f" ({code})" if code else ""))


class BadRequest(GatewayError):
    """400: the body or a header is wrong."""


class NotAllowed(GatewayError):
    """401, 403 or 421: the token is missing, or does not allow this call."""


class UnknownGateway(GatewayError):
    """404: the server has no such gateway. The detail names the gateways of the server."""


class UnknownRequest(GatewayError):
    """404: there is no such request, or its answer is no longer kept."""


class PayloadTooLarge(GatewayError):
    """413: the body is larger than the gateway accepts."""


class UnsupportedMediaType(GatewayError):
    """415: the gateway does not accept this content type."""


class InputRefused(GatewayError):
    """422: a bee refused this input. `detail` has the reason."""


class IdempotencyConflict(GatewayError):
    """422: an earlier request had this idempotency key and a different body."""


class TooManyRequests(GatewayError):
    """429, even after the last retry."""


class BeeFailed(GatewayError):
    """502: a bee failed. Its input is in the swarm's dead letters."""


class Unavailable(GatewayError):
    """503, or no connection, even after the last retry."""


class DeadlineExceeded(GatewayError):
    """504, or no answer in time. An accepted request may continue; `Gateway.get` returns its outcome later."""


def problem_of(status: int, body: bytes, headers: Mapping[str, str]) -> GatewayError:
    """The error for a response without a success status. Any body is accepted, because a proxy may have written the body."""
    fields = _fields_of(body)
    code = _text(fields, "code") or ""
    detail = _text(fields, "detail") or body[:200].decode("utf-8", "replace").strip() or f"HTTP status {status}"
    return _class_of(status, code)(
        detail,
        status=status,
        code=code,
        title=_text(fields, "title") or "",
        request_id=_text(fields, "request_id") or headers.get("x-request-id") or None,
        bee=_text(fields, "bee") or None,
    )


def problem_in(fields: Mapping[str, Any]) -> GatewayError:
    """The error for the problem in the state of a failed request."""
    status = fields.get("status")
    return problem_of(status if isinstance(status, int) else 500, json.dumps(dict(fields)).encode(), {})


def _fields_of(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _text(fields: Mapping[str, Any], name: str) -> Optional[str]:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _class_of(status: int, code: str) -> Type[GatewayError]:
    return _BY_CODE.get(code) or _BY_STATUS.get(status) or GatewayError


_BY_CODE: Dict[str, Type[GatewayError]] = {
    "WAGGLE_UNKNOWN_REQUEST": UnknownRequest,
    "WAGGLE_KEY_REUSED": IdempotencyConflict,
}

_BY_STATUS: Dict[int, Type[GatewayError]] = {
    400: BadRequest,
    401: NotAllowed,
    403: NotAllowed,
    404: UnknownGateway,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
    421: NotAllowed,
    422: InputRefused,
    429: TooManyRequests,
    502: BeeFailed,
    503: Unavailable,
    504: DeadlineExceeded,
}
