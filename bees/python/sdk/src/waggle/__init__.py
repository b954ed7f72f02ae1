"""Write bees for Waggle swarms in Python, test them, and call a swarm's gateways.

>>> from waggle import register_bee
>>> @register_bee(name="shout")
... def shout(payload):
...     return {"text": payload["text"].upper()}
>>> shout({"text": "hello"})
{'text': 'HELLO'}
"""

from .async_gateway import AsyncGateway
from .bee import register_bee
from .context import Context
from .dev_swarm import DevSwarm
from .errors import BadBee, BadResult, Cancelled, MissingSecret, Refused, WaggleError, refuse
from .exchange import RequestState
from .gateway import Gateway
from .payload import ErrorInput, Media, Tensor
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
from .secret import get_secret
from .swarm import Swarm

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
