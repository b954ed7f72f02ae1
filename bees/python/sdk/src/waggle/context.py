"""The information about a request that a bee gets in addition to the payload."""

from __future__ import annotations

import threading
import time
from typing import Any, Mapping, Optional, Sequence

from .errors import Cancelled


class Context:
    """One request, as a bee sees it.

    Attributes:
        request_id: identity of the request in the whole swarm. Use it to make an effect on an outside system idempotent.
        attempt: 1 at first, and one more for each time that the request is sent again after a crash.
        headers: the headers of the request that Waggle passes on, with lower-case names.
        deadline: seconds since the epoch, comparable with `time.time()`; None if there is no deadline.
        content_type: media type of the payload, or None if it is unknown.
        traceparent: the span of this call as W3C Trace Context writes it, or None if the request has no trace. Spans and requests of
            the bee belong below this span.
        baggage: values from the caller for all servers of the request, in the form of W3C Baggage, or None.
        parts: for a generator, the parts that an earlier run of this call has published before a crash. A later run must yield the same parts again.
            A bee that cannot do this yields the earlier parts first, and then continues after them.
        spec: for a bee of a package, the `spec` of the swarm file; empty for a bee of a file.

    >>> context = Context(request_id="r1", deadline=None)
    >>> context.cancelled
    False
    """

    __slots__ = ("request_id", "attempt", "headers", "deadline", "content_type", "parts", "spec", "_cancelled", "_call")

    def __init__(
        self,
        request_id: str = "",
        *,
        attempt: int = 1,
        headers: Optional[Mapping[str, str]] = None,
        deadline: Optional[float] = None,
        content_type: Optional[str] = None,
        parts: Sequence[Any] = (),
        spec: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.request_id = request_id
        self.attempt = attempt
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.deadline = deadline
        self.content_type = content_type
        self.parts: Sequence[Any] = list(parts)
        self.spec: Mapping[str, Any] = spec if spec is not None else {}
        self._cancelled = threading.Event()
        self._call: Any = None

    @property
    def traceparent(self) -> Optional[str]:
        return self.headers.get("traceparent")

    @property
    def baggage(self) -> Optional[str]:
        return self.headers.get("baggage")

    @property
    def cancelled(self) -> bool:
        """True when nobody waits for the result any more, because the caller has given up or the deadline has passed."""
        return self._cancelled.is_set() or (self.deadline is not None and time.time() >= self.deadline)

    @property
    def was_cancelled(self) -> bool:
        """True when Waggle has sent a cancellation. A passed deadline alone is not a cancellation."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Marks the request as cancelled."""
        self._cancelled.set()

    def remaining_seconds(self) -> Optional[float]:
        """Seconds until the deadline, at least 0; None if there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.time())

    def raise_if_cancelled(self) -> None:
        """Raises `Cancelled` if nobody waits for the result any more. Call it between the steps of long work."""
        if self.cancelled:
            raise Cancelled(f"Nobody waits for the request {self.request_id} any more")

    def __repr__(self) -> str:
        return f"Context(request_id={self.request_id!r}, attempt={self.attempt}, deadline={self.deadline})"
