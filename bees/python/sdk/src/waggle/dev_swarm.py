"""A swarm for tests and notebooks."""

from __future__ import annotations

import inspect
import json
import time
from contextvars import copy_context
from typing import Any, Callable, List, Mapping, Optional, Sequence

from .batches import results_of, stacked
from .bee import Bee, bee_of
from .context import Context
from .parts import joined
from .payload import Body, decode_value, dumps, encode_value
from .swarm import Call, Swarm, current_call


class DevSwarm(Swarm):
    """A swarm for tests and notebooks. It records the results of bees, and runs nothing by itself.

    A bee is a function, so a test may call the bee with a DevSwarm as the argument `swarm`:

    >>> def shout(swarm, payload, context):
    ...     swarm.publish(payload["text"].upper(), context)
    >>> swarm = DevSwarm()
    >>> shout(swarm, {"text": "hello"}, {})
    >>> swarm.published
    ['HELLO']

    `call` calls a bee of any form as a running swarm does.
    """

    def __init__(self) -> None:
        self.published: List[Any] = []
        self.responded: List[Any] = []
        self.parts: List[Any] = []

    def publish(self, data: Any, context: Any = None, *, content_type: Optional[str] = None) -> None:
        """Appends `data` to `published`."""
        self.published.append(data)

    def respond(self, data: Any, context: Any = None) -> None:
        """Appends `data` to `responded`."""
        self.responded.append(data)

    def clear(self) -> None:
        """Forgets the published and responded values."""
        self.published.clear()
        self.responded.clear()
        self.parts.clear()

    def call(
        self,
        bee: Callable[..., Any],
        payload: Any,
        *,
        headers: Optional[Mapping[str, str]] = None,
        timeout_seconds: Optional[float] = None,
        parts: Sequence[Any] = (),
        spec: Optional[Mapping[str, Any]] = None,
    ) -> Any:
        """Calls a bee as a running swarm does, and returns its result in the form that the next bee gets.

        `payload` and the result are written as messages and read again, so a result that cannot be passed on fails here too. The result is appended
        to `published` or `responded`. The parts that a generator yields are appended to `parts`. `parts=` are the parts of an earlier
        run. `spec` becomes `context.spec`. A bee that takes batches gets a list of payloads, and the list of its results is returned.

        Raises the errors of the bee, and BadResult.

        >>> swarm = DevSwarm()
        >>> swarm.call(lambda payload: (payload["number"], payload["number"] * 2), {"number": 21})
        [21, 42]
        """
        registered = bee_of(bee) or Bee(getattr(bee, "__name__", "bee"), bee, batch=False)
        payloads = [_crossed(one) for one in payload] if registered.batch else [_crossed(payload)]
        deadline = None if timeout_seconds is None else time.time() + timeout_seconds
        contexts = [Context(f"request-{number}", headers=headers, deadline=deadline, parts=parts, spec=spec) for number in range(1, len(payloads) + 1)]
        for context in contexts:
            context._call = Call()
        token = current_call.set(contexts[0]._call if len(contexts) == 1 else None)
        try:
            if registered.batch:
                returned = registered.call(Swarm(), stacked(payloads), contexts)
            else:
                returned = registered.call(Swarm(), payloads[0], contexts[0])
            if registered.gives_parts:
                returned = self._parts_of(returned, contexts[0]._call)
            elif registered.is_async:
                returned = _awaited(returned)
        finally:
            current_call.reset(token)
        if not registered.batch:
            return self._kept(contexts[0]._call, returned)
        results = [None] * len(contexts) if returned is None else results_of(returned, len(contexts))
        return [self._kept(context._call, result) for context, result in zip(contexts, results)]

    def _parts_of(self, generator: Any, call: Call) -> Any:
        """Takes the parts of a generator, and returns its result."""
        own: List[Any] = []
        result: Any = None
        if inspect.isasyncgen(generator):
            own = _awaited(_all_of(generator))
        else:
            try:
                while True:
                    own.append(next(generator))
            except StopIteration as end:
                result = end.value
        self.parts.extend(_crossed(part) for part in own)
        return joined(own) if result is None and not call.has_published and not call.has_responded else result

    def _kept(self, call: Call, returned: Any) -> Any:
        if isinstance(returned, Exception):
            raise returned
        result = call.result(returned)
        value: Any = None
        if result.has_responded:
            value = _crossed(result.responded)
            self.responded.append(value)
        if result.has_published:
            value = _crossed(result.published, result.content_type)
            self.published.append(value)
        return value


def _crossed(value: Any, content_type: Optional[str] = None) -> Any:
    """A value in the form in which it arrives after it was sent through the channel."""
    body = Body(binary=True)
    fields = json.loads(dumps(encode_value(value, body, content_type)))
    return decode_value(fields, bytearray().join(body.pieces))


async def _all_of(generator: Any) -> List[Any]:
    return [part async for part in generator]


def _awaited(awaitable: Any) -> Any:
    """Runs a coroutine to its end, even in a notebook or an asyncio test, where an event loop is already running."""
    import asyncio

    async def wait() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(copy_context().run, asyncio.run, wait()).result()
