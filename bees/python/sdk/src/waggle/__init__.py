"""Write bees for Waggle swarms in Python, test them, and call a swarm's gateways.

>>> from waggle import register_bee
>>> @register_bee(name="shout")
... def shout(payload):
...     return {"text": payload["text"].upper()}
>>> shout({"text": "hello"})
{'text': 'HELLO'}
"""

from .bee import register_bee
from .context import Context
from .errors import BadBee, BadResult, Cancelled, MissingSecret, Refused, WaggleError, refuse
from .payload import ErrorInput, Media, Tensor
from .secret import get_secret
from .swarm import DevSwarm, Swarm

__all__ = [
    "BadBee",
    "BadResult",
    "Cancelled",
    "Context",
    "DevSwarm",
    "ErrorInput",
    "Media",
    "MissingSecret",
    "Refused",
    "Swarm",
    "Tensor",
    "WaggleError",
    "get_secret",
    "refuse",
    "register_bee",
]
