"""Makes the span of a call the current span of OpenTelemetry, if the bee's file uses OpenTelemetry."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Callable, Sequence

from .context import Context


def attached(contexts: Sequence[Context]) -> Callable[[], None]:
    """Attaches the trace of a call with one request. The returned function detaches the trace again.

    A call of a batch contains requests of several traces, so no trace is attached; use each `context.traceparent`. OpenTelemetry is used only if the
    bee's file has loaded it. A bee without OpenTelemetry therefore needs no package and loses no time.
    """
    if len(contexts) != 1 or contexts[0].traceparent is None or "opentelemetry.trace" not in sys.modules:
        return _nothing
    propagate: Any = import_module("opentelemetry.propagate")
    current: Any = import_module("opentelemetry.context")
    headers = contexts[0].headers
    carrier = {name: headers[name] for name in ("traceparent", "tracestate", "baggage") if name in headers}
    token = current.attach(propagate.extract(carrier))
    return lambda: current.detach(token)


def _nothing() -> None:
    return None
