"""The types of a bee's payload and result, from the annotations of its function: JSON Schemas with the additional types `bytes` and `tensors`."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import typing
from typing import Any, Dict, List, Optional

from .bee import Bee

Schema = Dict[str, Any]


def types_of(bee: Bee) -> Dict[str, Schema]:
    """The types of `input` and `output` from the annotations, as far as there are annotations. Calls no function of the user."""
    target = bee.function if inspect.isroutine(bee.function) else getattr(bee.function, "__call__", bee.function)
    try:
        signature = inspect.signature(bee.function)
        hints = typing.get_type_hints(target)
    except Exception:
        # An annotation may use a name that is imported only for a type checker.
        return {}
    types = {}
    payload = bee.payload_parameter
    if payload in hints:
        types["input"] = _item_of(hints[payload], batch=bee.batch)
    # A bee that takes the swarm may call `publish` instead of returning a value, so the annotation None does not tell its type.
    returned = hints.get("return", inspect.Signature.empty)
    is_told = "return" in hints and not (bee.takes_swarm and returned in (None, type(None)))
    if is_told and signature.return_annotation is not inspect.Signature.empty:
        types["output"] = _whole_of(returned) if bee.gives_parts else _item_of(returned, batch=bee.batch)
    return {name: schema for name, schema in types.items() if schema}


def _whole_of(annotation: Any) -> Schema:
    """The schema of a generator's result: the returned value, or else its parts as one value."""
    arguments = typing.get_args(annotation)
    if not arguments:
        return {}
    if len(arguments) == 3 and arguments[2] not in (None, type(None)):
        return schema_of(arguments[2])
    part = schema_of(arguments[0])
    if part.get("type") in ("string", "bytes"):
        return part
    return {"type": "array", "items": part} if part and part.get("type") != "tensors" else {}


def _item_of(annotation: Any, *, batch: bool) -> Schema:
    """The schema of one payload or result. The annotation of a batch is a list of payloads or results, or an array with a row for each of them."""
    if not batch:
        return schema_of(annotation)
    if _is_array(annotation):
        return {"type": "tensors"}
    if typing.get_origin(annotation) in _LISTS:
        arguments = typing.get_args(annotation)
        return schema_of(arguments[0]) if arguments else {}
    return {}


def schema_of(annotation: Any, depth: int = 0) -> Schema:
    """The JSON Schema of a type; empty for a type that allows any value."""
    if depth > _MAX_DEPTH:
        return {}
    simple = _simple(annotation)
    if simple is not None:
        return simple
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return {"enum": list(arguments)} if all(isinstance(one, (str, int, bool, type(None))) for one in arguments) else {}
    if origin is typing.Union or type(annotation).__name__ == "UnionType":
        return _union([schema_of(one, depth + 1) for one in arguments])
    if origin in _LISTS:
        items = schema_of(arguments[0], depth + 1) if arguments else {}
        return {"type": "array", "items": items} if items else {"type": "array"}
    if origin is tuple or annotation is tuple:
        return {"type": "array"}
    if origin in _DICTS:
        return {"type": "tensors"} if len(arguments) == 2 and _is_array(arguments[1]) else {"type": ["object", "tensors"] if _is_open(arguments) else "object"}
    return _members(annotation, depth) if isinstance(annotation, type) else {}


def _simple(annotation: Any) -> Optional[Schema]:
    if annotation is None or annotation is type(None):
        return {"type": "null"}
    if _is_array(annotation):
        return {"type": "tensors"}
    if annotation in _DICTS:
        # A bee gets several tensors as a dict, so a dict may be an object or tensors.
        return {"type": ["object", "tensors"]}
    if isinstance(annotation, type):
        # In Python bool is a subclass of int, but in JSON a boolean is not a number. So the class itself is compared.
        for kind, name in _SIMPLE.items():
            if annotation is kind:
                return {"type": name}
        if issubclass(annotation, enum.Enum):
            values = [one.value for one in annotation]
            return {"enum": values} if all(isinstance(value, (str, int)) for value in values) else {}
    return None


def _is_open(arguments: Any) -> bool:
    return len(arguments) != 2 or arguments[1] is Any


def _members(annotation: Any, depth: int) -> Schema:
    """The schema of a TypedDict or a dataclass."""
    if not (dataclasses.is_dataclass(annotation) or (issubclass(annotation, dict) and hasattr(annotation, "__total__"))):
        return {}
    try:
        hints = typing.get_type_hints(annotation)
    except Exception:
        return {"type": "object"}
    if dataclasses.is_dataclass(annotation):
        names = [field.name for field in dataclasses.fields(annotation)]
        required = [field.name for field in dataclasses.fields(annotation) if _is_required(field)]
    else:
        names = list(hints)
        required = _required_keys(annotation)
    properties = {name: schema_of(hints[name], depth + 1) for name in names if name in hints}
    return {"type": "object", "properties": properties, "required": required}


def _required_keys(annotation: Any) -> List[str]:
    """The keys that a TypedDict must have. The function reads `NotRequired` itself, because Python overlooks it if annotations are texts."""
    known = getattr(annotation, "__required_keys__", ())
    marks = {name: str(typing.get_origin(hint)) for name, hint in typing.get_type_hints(annotation, include_extras=True).items()}
    return [name for name, mark in marks.items() if mark.endswith(".Required") or (name in known and not mark.endswith(".NotRequired"))]


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _union(schemas: List[Schema]) -> Schema:
    """A schema with the types of all these schemas. It is empty if one of the schemas is empty, or has more than a type."""
    types: List[str] = []
    for schema in schemas:
        if set(schema) != {"type"}:
            return {}
        types.extend(one for one in _listed(schema["type"]) if one not in types)
    return {"type": types}


def _listed(types: Any) -> List[str]:
    return types if isinstance(types, list) else [types]


def _is_array(annotation: Any) -> bool:
    """True for the annotation ndarray of numpy, with or without the type of its items. Does not import numpy."""
    kind = typing.get_origin(annotation) or annotation
    return getattr(kind, "__name__", "") == "ndarray" and getattr(kind, "__module__", "").split(".")[0] == "numpy"


_SIMPLE = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", bytes: "bytes", bytearray: "bytes", memoryview: "bytes"}
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_MAX_DEPTH = 8
