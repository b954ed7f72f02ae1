"""The events of one request, without network access: the requests to send, the events of the responses, and the steps after a broken connection."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote

from .exchange import GRACE_SECONDS, MAX_TIMEOUT_SECONDS, Attempt, Response, Settings, back_off, check_seconds, posted, retry_after
from .problems import DeadlineExceeded, GatewayError, Unavailable, problem_in, problem_of


class RequestEvent:
    """An event of a request.

    Attributes:
        kind: "accepted", "bee" (a bee is done), "part" (a bee has published a part), "gap" (parts may be missing, because they are older than the
            server's log keeps) or "answer", which is the last one.
        request_id: the request's id.
        bee: the bee of a "bee" or a "part"; else None.
        number: the number of a "part", counted from 0 for each bee; else None.
        round: the round of a "part" of a bee in a loop, such as "again=2"; else None.
        value: the part, or the answer. A value that is not JSON is `{"content_type": …, "base64": …}`.
        fields: everything that the server says about the event.
    """

    __slots__ = ("kind", "request_id", "bee", "number", "round", "value", "fields")

    def __init__(self, kind: str, request_id: str, fields: Mapping[str, Any]) -> None:
        self.kind = kind
        self.request_id = request_id
        self.fields = fields
        self.bee: Optional[str] = fields.get("bee")
        self.number: Optional[int] = fields.get("number")
        self.round: Optional[str] = fields.get("round") if kind == "part" else None
        self.value: Any = fields.get("part") if kind == "part" else fields.get("answer")

    def __repr__(self) -> str:
        return f"RequestEvent({self.kind!r}, {self.request_id!r})"


class EventStream:
    """The state of a stream. A client sends each `attempt`, and passes the response or the error to this object."""

    def __init__(
        self,
        settings: Settings,
        payload: Any,
        gateway: str,
        *,
        content_type: Optional[str],
        idempotency_key: Optional[str],
        timeout_seconds: Optional[float],
        headers: Optional[Mapping[str, str]],
    ) -> None:
        self._settings = settings
        self._path, self._headers, self._body = posted(
            "request", payload, gateway, content_type=content_type, idempotency_key=idempotency_key, headers=headers
        )
        self._total = settings.timeout_seconds if timeout_seconds is None else timeout_seconds
        check_seconds(self._total)
        self._ends_at = time.monotonic() + self._total
        self._request_id: Optional[str] = None
        self._last_event_id = ""
        self._failures = 0
        self._lines: List[Tuple[str, str]] = []
        self.is_over = False

    def attempt(self) -> Attempt:
        """The next request: the request itself, or a question for the events after the last event. Raises DeadlineExceeded."""
        self._lines = []
        left = self._ends_at - time.monotonic()
        address = self._settings.address
        if left <= 0:
            raise DeadlineExceeded(f"{address.shown} gave no answer within {self._total:g} s")
        headers: Dict[str, str] = {"host": address.host_header, "accept": "text/event-stream"}
        if self._settings.token is not None:
            headers["authorization"] = f"Bearer {self._settings.token}"
        if self._request_id is not None and self._last_event_id:
            path = f"{address.path}/v1/requests/{quote(self._request_id, safe='')}/events"
            return Attempt("GET", path, {**headers, "last-event-id": self._last_event_id}, b"", left + GRACE_SECONDS)
        headers = {**self._headers, **headers, "x-timeout-seconds": f"{min(max(left, 0.001), MAX_TIMEOUT_SECONDS):.3f}"}
        return Attempt("POST", address.path + self._path, headers, self._body, left + GRACE_SECONDS)

    def begun(self, headers: Mapping[str, str]) -> None:
        """Takes the headers of a response with events."""
        if self._request_id is None:
            self._request_id = headers.get("x-request-id")

    def refused(self, response: Response) -> float:
        """Takes a response without events. Returns the seconds until the next attempt. Raises the response's error if there is no next attempt."""
        problem = problem_of(response.status, response.body, response.headers)
        if response.status not in (429, 503):
            raise problem
        return self._pause(problem, retry_after(response))

    def broken(self, error: Exception) -> float:
        """Takes a broken connection. Returns the pause before the next attempt, in seconds. Raises Unavailable after the last attempt."""
        if isinstance(error, TimeoutError):
            raise DeadlineExceeded(f"{self._settings.address.shown} gave no answer within {self._total:g} s") from error
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        return self._pause(Unavailable(f"{self._settings.address.shown} cannot be reached ({reason}): start the swarm, or correct the address"), 0)

    def line(self, line: bytes) -> Optional[RequestEvent]:
        """Takes a line of a response with events. Returns the event that the line completes. Raises the error of a request that failed."""
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if text:
            name, _, value = text.partition(":")
            if name:
                self._lines.append((name, value[1:] if value.startswith(" ") else value))
            return None
        fields, self._lines = dict(self._lines), []
        if "data" not in fields:
            return None
        if fields.get("id"):
            self._last_event_id = fields["id"]
        self._failures = 0
        return self._event(fields.get("event", ""), json.loads(fields["data"]))

    def _event(self, kind: str, fields: Dict[str, Any]) -> Optional[RequestEvent]:
        if kind not in ("accepted", "bee", "part", "gap", "answer"):
            return None
        request_id = self._request_id or str(fields.get("request_id", ""))
        if kind == "answer":
            self.is_over = True
            if fields.get("problem") is not None:
                raise problem_in({**fields["problem"], "request_id": request_id})
        return RequestEvent(kind, request_id, fields)

    def _pause(self, failure: GatewayError, least: float) -> float:
        # A request that was accepted continues, so the client keeps retrying while a process restarts.
        if self._last_event_id == "" and self._failures >= self._settings.retries:
            raise failure
        self._failures += 1
        return max(least, back_off(min(self._failures - 1, 10)))
