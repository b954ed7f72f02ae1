"""The errors that a bee raises or gets. The errors of the gateway client are in `waggle.problems`."""

from __future__ import annotations

from typing import NoReturn


class WaggleError(Exception):
    """Base class of all errors of this package."""


class Refused(WaggleError):
    """The input is wrong. A bee raises this error, and the caller gets status 422 with the message.

    >>> raise Refused('Send {"name": "…"}')
    Traceback (most recent call last):
    ...
    waggle.errors.Refused: Send {"name": "…"}
    """


class BadResult(WaggleError):
    """A bee gave a result that cannot be passed on. The message names a possible result."""


class BadBee(WaggleError):
    """A function cannot be a bee, or a file lacks the bee that the swarm names."""


class Cancelled(WaggleError):
    """Nobody waits for this request any more. `Context.raise_if_cancelled` raises this error."""


class MissingSecret(WaggleError, LookupError):
    """There is no secret of this name. The message names the places that were searched."""


def refuse(detail: str) -> NoReturn:
    """Refuses the input of this request: the caller gets status 422 with `detail`.

    The function never returns, because it raises `Refused`.

    >>> refuse("The picture has no face")
    Traceback (most recent call last):
    ...
    waggle.errors.Refused: The picture has no face
    """
    raise Refused(detail)
