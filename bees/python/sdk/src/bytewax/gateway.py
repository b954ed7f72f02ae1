"""Makes `from bytewax.gateway import Gateway` work, which programs of 2021 contain. New programs use `waggle.Gateway`."""

from __future__ import annotations

from typing import Any

import waggle


class Response:
    """An answer in the form that programs of 2021 expect. They use `print(response)` or `response.payload`."""

    def __init__(self, payload: Any) -> None:
        self.payload = payload

    def __str__(self) -> str:
        return str(self.payload)

    def __repr__(self) -> str:
        return f"Response({self.payload!r})"

    def __eq__(self, other: object) -> bool:
        return bool(self.payload == (other.payload if isinstance(other, Response) else other))

    __hash__ = None  # type: ignore[assignment]


class Gateway(waggle.Gateway):
    """The client of the package `waggle`, except that each answer is a `Response`."""

    def request(self, payload: Any, gateway: str, **options: Any) -> Response:
        """Sends a payload, waits, and returns the answer as a `Response`."""
        return Response(super().request(payload, gateway, **options))
