"""The argument `swarm` of a bee, through which the bee can give its result."""

from __future__ import annotations

import contextvars
import inspect
from typing import Any, NoReturn, Optional

from .errors import BadResult, Refused, WaggleError

_nothing = object()


class Call:
    """The results that one call of a bee has given so far."""

    __slots__ = ("published", "responded", "content_type", "is_over")

    def __init__(self) -> None:
        self.is_over = False
        self.clear()

    def clear(self) -> None:
        """Forgets these results, before the bee is called again."""
        self.published: Any = _nothing
        self.responded: Any = _nothing
        self.content_type: Optional[str] = None

    @property
    def has_published(self) -> bool:
        return self.published is not _nothing

    @property
    def has_responded(self) -> bool:
        return self.responded is not _nothing


    def result(self, returned: Any) -> "Result":
        """The result of a call that has returned `returned`. Raises BadResult if there is no result, or more than one result."""
        if self.has_published or self.has_responded:
            if returned is not None:
                raise BadResult("the bee returned a value and called swarm.publish or swarm.respond: do one of them")
            if self.has_published:
                return Result(self.published, self.content_type, self.responded if self.has_responded else _nothing)
            return Result(_nothing, None, self.responded)
        if inspect.isawaitable(returned):
            raise BadResult("the bee returned a coroutine: write async def, or await it")
        if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
            raise BadResult("the bee returned a generator: write yield in the bee itself, or return one value, such as a list")
        return Result(returned, None, _nothing)


class Result:
    """The result of a bee for one request: a value for the next bees, an answer for the caller, or both."""

    __slots__ = ("published", "content_type", "responded")

    def __init__(self, published: Any, content_type: Optional[str], responded: Any) -> None:
        self.published = published
        self.content_type = content_type
        self.responded = responded

    @property
    def has_published(self) -> bool:
        return self.published is not _nothing

    @property
    def has_responded(self) -> bool:
        return self.responded is not _nothing


current_call: "contextvars.ContextVar[Optional[Call]]" = contextvars.ContextVar("waggle_call", default=None)


class Swarm:
    """The swarm as a running bee sees it. The runner makes this object; tests use `DevSwarm`.

    Each request has one result: the value that the bee publishes, or else the value that it returns. `respond` answers the caller, in addition to
    `publish` or alone.
    """

    def publish(self, data: Any, context: Any = None, *, content_type: Optional[str] = None) -> None:
        """Passes `data` to the next bees: a JSON value, bytes (of `content_type`), or arrays of numpy.

        Raises WaggleError if it is called twice for one request.
        """
        call = _call_of(context)
        if call.has_published:
            raise WaggleError("swarm.publish was called twice for one request: publish one value, such as a list")
        call.published = data
        call.content_type = content_type

    def respond(self, data: Any, context: Any = None) -> None:
        """Answers the caller with `data` at once. Unless the bee also publishes, the request does not go to the next bees.

        Raises WaggleError if it is called twice for one request.
        """
        call = _call_of(context)
        if call.has_responded:
            raise WaggleError("swarm.respond was called twice for one request: a request has one answer")
        call.responded = data

    def refuse(self, detail: str, context: Any = None) -> NoReturn:
        """Refuses the input: the caller gets status 422 with `detail`. Always raises Refused."""
        raise Refused(detail)


def _call_of(context: Any) -> Call:
    call = getattr(context, "_call", None) or current_call.get()
    if call is None:
        raise WaggleError("no request runs here: pass the context that the bee got, or use DevSwarm in a test")
    if call.is_over:
        raise WaggleError("this request has its result already: publish and respond before the bee returns")
    return call
