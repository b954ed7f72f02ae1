"""Makes the span of a call the current one of OpenTelemetry, if the bee's file uses it."""

from __future__ import annotations

import sys
from typing import Any, Callable, Sequence

from .context import Context


def attached(contexts: Sequence[Context]) -> Callable[[], None]:
    """Attaches the trace of a call that is of one request. The returned function detaches it again.

    A call of a batch has requests of several traces, so it attaches none: take each `context.traceparent`. OpenTelemetry is never imported here, so a
    bee that does not use it needs no package and waits for nothing.
    """
    propagate: Any = sys.modules.get("opentelemetry.propagate")
    current: Any = sys.modules.get("opentelemetry.context")
    if propagate is None or current is None or len(contexts) != 1 or contexts[0].traceparent is None:
        return _nothing
    headers = contexts[0].headers
    carrier = {name: headers[name] for name in ("traceparent", "tracestate", "baggage") if name in headers}
    token = current.attach(propagate.extract(carrier))
    return lambda: current.detach(token)


def _nothing() -> None:
    return None
