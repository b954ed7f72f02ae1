"""`register_bee`, which turns the functions of a file into bees that a swarm can name."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, TypeVar, overload

from .errors import BadBee

F = TypeVar("F", bound=Callable[..., Any])


class Declaration:
    """What a bee of a package says of itself. `waggle bees catalog` prints it, and `waggle validate` checks specs with it."""

    def __init__(
        self,
        *,
        summary: Optional[str] = None,
        delivery: Optional[str] = None,
        spec: Optional[Mapping[str, Any]] = None,
        examples: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.summary = summary
        self.delivery = delivery
        self.spec = spec
        self.examples = examples


class Bee:
    """A registered function, and how it is called."""

    def __init__(self, name: str, function: Callable[..., Any], *, batch: bool, declaration: Optional[Declaration] = None) -> None:
        self.name = name
        self.function = function
        self.batch = batch
        self.declaration = declaration or Declaration()
        self.place = _place_of(function)
        if inspect.isclass(function):
            raise BadBee(f"{function.__qualname__} is a class; a bee is a function: register an object of it that can be called, or its method")
        forms = (function, getattr(function, "__call__", None))
        is_async_generator = any(inspect.isasyncgenfunction(one) for one in forms)
        self.gives_parts = is_async_generator or any(inspect.isgeneratorfunction(one) for one in forms)
        if self.gives_parts and batch:
            raise BadBee(f"{self.place}: the bee {name} takes batches and is a generator: return a list of results, or take requests one by one")
        self.is_async = is_async_generator or any(inspect.iscoroutinefunction(one) for one in forms)
        self._takes = _parameters_of(function, self.place, name)

    @property
    def takes_swarm(self) -> bool:
        return "swarm" in self._takes.positional or "swarm" in self._takes.named

    @property
    def payload_parameter(self) -> Optional[str]:
        """The name of the parameter that gets the payload; None if the signature does not show it."""
        try:
            parameters = list(inspect.signature(self.function).parameters)
        except (TypeError, ValueError):
            return None
        at = self._takes.positional.index("payload")
        return parameters[at] if at < len(parameters) else None

    def call(self, swarm: Any, payload: Any, context: Any) -> Any:
        """Calls the function with those of the arguments swarm, payload and context that it takes."""
        given = {"swarm": swarm, "payload": payload, "context": context}
        positional = [given[what] for what in self._takes.positional]
        return self.function(*positional, **{what: given[what] for what in self._takes.named})


@overload
def register_bee(name: F) -> F: ...
@overload
def register_bee(
    name: Optional[str] = None,
    *,
    batch: bool = False,
    summary: Optional[str] = None,
    delivery: Optional[str] = None,
    spec: Optional[Mapping[str, Any]] = None,
    examples: Sequence[Mapping[str, Any]] = (),
) -> Callable[[F], F]: ...
def register_bee(
    name: Any = None,
    *,
    batch: bool = False,
    summary: Optional[str] = None,
    delivery: Optional[str] = None,
    spec: Optional[Mapping[str, Any]] = None,
    examples: Sequence[Mapping[str, Any]] = (),
) -> Any:
    """Turns a function or a coroutine into a bee, under the name that a swarm's `spec.bee` uses. The default is the function's own name.

    The function takes `(payload)`, `(payload, context)` or `(swarm, payload, context)`. The returned value goes to the next bee, unless the function
    calls `swarm.publish` or `swarm.respond`. A generator publishes each part that it yields: the caller gets the part at once, as an event of the
    request. With `batch=True` the function takes a list of payloads, and returns a list with a result for each payload. If all payloads are arrays
    of the same shape, the function gets one stacked array instead of the list. The function itself stays unchanged, so that tests and other
    functions can call it.

    A bee of a package is a bee type: `summary` is a sentence about it, `delivery` its guarantee after a crash, `spec` the JSON Schema of the keys that a
    swarm gives it, which `context.spec` has, and `examples` are such specs.

    Raises BadBee for a function that cannot be a bee.

    >>> @register_bee(name="double")
    ... def double(payload):
    ...     return payload["number"] * 2
    >>> double({"number": 21})
    42
    """

    def register(function: F) -> F:
        declaration = Declaration(summary=summary, delivery=delivery, spec=spec, examples=examples)
        bee = Bee(name if isinstance(name, str) else _own_name(function), function, batch=batch, declaration=declaration)
        before = _bees.get(bee.name)
        if before is not None and _identity(before.function) != _identity(function):
            raise BadBee(f"{bee.place}: the bee {bee.name} is there already, at {before.place}: give one of them another name")
        _bees[bee.name] = bee
        return function

    if name is None or isinstance(name, str):
        if name == "":
            raise BadBee("register_bee got an empty name: give the name that the swarm says in spec.bee")
        return register
    if callable(name):
        return register(name)
    raise BadBee(f"register_bee got the name {name!r}, which is no string")


def bee_named(name: str) -> Optional[Bee]:
    """The bee of this name; None if there is none."""
    return _bees.get(name)


def bee_of(function: Any) -> Optional[Bee]:
    """The bee that this function was registered as; None for a function that is not registered."""
    return next((bee for bee in _bees.values() if bee.function is function), None)


def bee_names() -> List[str]:
    """The names of all bees, in the order of their registration."""
    return list(_bees)


_bees: Dict[str, Bee] = {}


class _Takes:
    def __init__(self, positional: List[str], named: List[str]) -> None:
        self.positional = positional
        self.named = named


def _parameters_of(function: Callable[..., Any], place: str, name: str) -> _Takes:
    """The arguments swarm, payload and context that a function takes. The number of parameters and the name `swarm` decide."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return _Takes(["payload"], [])
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    required = [one for one in positional if one.default is one.empty]
    wanted = [one.name for one in parameters if one not in required and one.name in ("swarm", "context") and one.kind is not one.VAR_KEYWORD]
    unknown = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty and one.name not in ("swarm", "context")]
    count = len(required)
    if any(one.kind is one.VAR_POSITIONAL for one in parameters) and count < 3:
        return _Takes(["swarm", "payload", "context"], [])
    if count == 0 and positional:
        return _Takes(["payload"], [one for one in wanted if one != positional[0].name])
    if count in (1, 2, 3) and not unknown:
        forms = {1: ["payload"], 2: ["payload", "context"], 3: ["swarm", "payload", "context"]}
        if count == 2 and required[0].name == "swarm":
            forms[2] = ["swarm", "payload"]
        return _Takes(forms[count], wanted)
    shown = ", ".join([one.name for one in required] + unknown)
    raise BadBee(f"{place}: the bee {name} takes ({shown}); a bee takes (payload), (payload, context) or (swarm, payload, context)")


def _own_name(function: Any) -> str:
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise BadBee(f"register_bee got {type(function).__name__}, which has no name: write @register_bee(name=…)")
    return name


def _identity(function: Any) -> Any:
    """The identity of a function. A later version of the function, from a notebook's cell that runs again, has the same identity."""
    name = getattr(function, "__qualname__", None)
    return id(function) if name is None else (getattr(function, "__module__", None), name)


def _place_of(function: Any) -> str:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    if code is None:
        return "?"
    return f"{code.co_filename.rsplit('/', 1)[-1]}:{code.co_firstlineno}"
