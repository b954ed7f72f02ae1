"""Converts values of the bee protocol to Python values and back. bees/PROTOCOL.md defines the protocol."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import json
import os
import re
import sys
import uuid
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .errors import BadResult, WaggleError

Buffer = Union[bytes, bytearray, memoryview]
Fields = Dict[str, Any]


class Media(bytes):
    """Bytes with their media type. A bee may return a Media, and a client may send one. A client also gets a Media for an answer that is not JSON.

    >>> page = Media(b"%PDF-1.7", "application/pdf")
    >>> page.content_type, len(page)
    ('application/pdf', 8)
    """

    content_type: str

    def __new__(cls, data: Buffer, content_type: str) -> "Media":
        if not _MEDIA_TYPE.fullmatch(content_type):
            raise ValueError(f"{content_type[:80]!r} is no media type: give 1 to 255 printable ASCII characters, such as image/png")
        media = super().__new__(cls, data)
        media.content_type = content_type
        return media

    def __getnewargs__(self) -> Tuple[bytes, str]:  # type: ignore[override]
        return bytes(self), self.content_type


class Tensor:
    """A tensor, for a bee without numpy. With numpy, a bee gets arrays.

    `data` contains the bytes of the values in row-major order, little-endian.
    """

    __slots__ = ("datatype", "shape", "data")

    def __init__(self, datatype: str, shape: Sequence[int], data: Buffer) -> None:
        self.datatype = datatype
        self.shape = tuple(shape)
        self.data = data

    def __repr__(self) -> str:
        return f"Tensor({self.datatype} {list(self.shape)})"


class ErrorInput(WaggleError):
    """The error of a failed bee, in the input of a bee that joins. It replaces the failed bee's value."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = str(error.get("code", ""))
        self.status = int(error.get("status", 502))
        self.title = str(error.get("title", ""))
        self.detail = str(error.get("detail", ""))
        self.bee = str(error.get("bee", ""))
        super().__init__(f"{self.bee}: {self.detail}")


class Body:
    """Collects the bytes of a message to send. The body of a frame contains the bytes; a JSON message contains them as base64."""

    def __init__(self, *, binary: bool) -> None:
        self._binary = binary
        self.pieces: List[Buffer] = []
        self.length = 0

    def put(self, data: Buffer) -> Fields:
        view = memoryview(data).cast("B")
        if not self._binary:
            return {"base64": base64.b64encode(view).decode("ascii")}
        at = self.length
        padding = -view.nbytes % 8
        self.pieces.append(view)
        if padding:
            self.pieces.append(bytes(padding))
        self.length += view.nbytes + padding
        return {"at": at, "length": view.nbytes}


def decode_value(fields: Mapping[str, Any], body: Optional[Buffer]) -> Any:
    """The Python value of a message's value.

    JSON becomes the value of the json module. Bytes stay bytes. One tensor becomes an array, and several become a dict of arrays by name. The parts
    of a join become a dict by bee. Arrays use the memory of `body`: no byte is copied.
    """
    if "json" in fields:
        return fields["json"]
    if "tensors" in fields:
        tensors = {tensor["name"]: _decode_tensor(tensor, body) for tensor in fields["tensors"]}
        return next(iter(tensors.values())) if len(tensors) == 1 else tensors
    if "parts" in fields:
        return {bee: decode_value(part, body) for bee, part in fields["parts"].items()}
    if "error" in fields:
        return ErrorInput(fields["error"])
    data = _decode_bytes(fields, body)
    return data if isinstance(data, bytes) else bytes(data)


def encode_value(value: Any, body: Body, content_type: Optional[str] = None) -> Fields:
    """The fields of a message for a bee's result. Bytes go to `body`, and are not copied. Raises BadResult.

    The field `json` stays a Python value. `dumps` of this module writes it.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        own = value.content_type if isinstance(value, Media) else "application/octet-stream"
        return {"content_type": content_type or own, **body.put(_contiguous(value))}
    if content_type is not None:
        raise BadResult(f"content_type goes with bytes, and the value is {_kind(value)}: encode it first")
    if is_array(value) or isinstance(value, Tensor):
        return {"tensors": [_encode_tensor("output", value, body)]}
    if isinstance(value, dict) and value and all(is_array(item) or isinstance(item, Tensor) for item in value.values()):
        return {"tensors": [_encode_tensor(name, item, body) for name, item in value.items()]}
    return {"json": value}


def dumps(value: Any) -> bytes:
    """A value as JSON. Objects with a plain form, such as dataclasses, are converted. Raises BadResult for a value without a form in JSON."""
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)
        if _LONG_INTEGER.search(text):
            json.loads(text, parse_int=_checked_integer)
    except RecursionError:
        raise BadResult("the value is nested too deep for JSON: give a flatter one") from None
    except (TypeError, ValueError) as error:
        raise BadResult(_json_problem(error)) from None
    return text.encode("ascii")


def is_array(value: Any) -> bool:
    """True for an array of numpy. Does not import numpy, because no array can exist before numpy is imported."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, getattr(numpy, "ndarray", ()))


def _decode_tensor(tensor: Mapping[str, Any], body: Optional[Buffer]) -> Any:
    datatype, shape = tensor["datatype"], tensor["shape"]
    data = _decode_bytes(tensor, body)
    numpy = _numpy()
    if numpy is None:
        return Tensor(datatype, shape, data)
    return numpy.frombuffer(data, dtype=_DTYPES[datatype]).reshape(shape)


def _decode_bytes(fields: Mapping[str, Any], body: Optional[Buffer]) -> Buffer:
    if "base64" in fields:
        return bytearray(base64.b64decode(fields["base64"]))
    if body is None:
        raise ValueError("a message names a range of a body, and has none")
    at, length = fields["at"], fields["length"]
    if at == 0 and length == len(body):
        return body
    return memoryview(body)[at : at + length]


def _encode_tensor(name: Any, value: Any, body: Body) -> Fields:
    if not isinstance(name, str):
        raise BadResult(f"a tensor has the name {name!r}: names are strings")
    if isinstance(value, Tensor):
        return {"name": name, "datatype": value.datatype, "shape": list(value.shape), **body.put(_contiguous(value.data))}
    numpy = _numpy()
    datatype = _DATATYPES.get(value.dtype.newbyteorder("<").str.lstrip("<|="))
    if datatype is None:
        raise BadResult(f"the tensor {name} has the dtype {value.dtype}, which no tensor has: convert it, for example with .astype(numpy.float32)")
    array = numpy.ascontiguousarray(value, dtype=_DTYPES[datatype]).reshape(value.shape)
    return {"name": name, "datatype": datatype, "shape": list(value.shape), **body.put(memoryview(array.reshape(-1).view(numpy.uint8)))}


def _contiguous(data: Buffer) -> Buffer:
    return data if memoryview(data).c_contiguous else bytes(data)


def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _plain(value: Any) -> Any:
    """A plain value for an object that the json module does not know. The json module then converts the values inside it in the same way."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):
        return value.model_dump(mode="json")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (uuid.UUID, os.PathLike)):
        return str(value)
    if is_array(value):
        return value.tolist()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic) and not isinstance(value, numpy.void):
        return _plain_scalar(value)
    raise BadResult(f"the value holds {_kind(value)}, which is no JSON: {_advice(value)}")


def _plain_scalar(value: Any) -> Any:
    item = value.item()
    if isinstance(item, (bool, int, float, str)):
        return item
    if isinstance(item, (datetime.datetime, datetime.date)):
        return item.isoformat()
    raise BadResult(f"the value holds {_kind(value)}, which is no JSON: give a number or a string")


def _checked_integer(digits: str) -> None:
    """Refuses an integer that Waggle, like most readers of JSON, would round to a double."""
    if abs(int(digits)) > _MAX_SAFE_INTEGER:
        raise BadResult(f"the value holds the integer {digits}, which JSON does not carry exactly: give it as a string")


def _advice(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "give sorted(…) of it"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "give bytes alone, or as base64 text"
    if callable(getattr(value, "to_json", None)):
        return "give its to_json(), or to_dict()"
    return "give numbers, strings, lists and dicts"


def _json_problem(error: Exception) -> str:
    text = str(error)
    if "Out of range float" in text:
        return "the value holds NaN or Infinity, which is no JSON: give None in its place"
    if "Circular" in text:
        return "the value holds itself: give one without cycles"
    return f"the value is no JSON: {text}"


def _kind(value: Any) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"a {name}"


_MAX_SAFE_INTEGER = 2**53 - 1
_LONG_INTEGER = re.compile(r"[\[:,-][0-9]{16,}[,\]}]")
_MEDIA_TYPE = re.compile(r"[\x20-\x7e]{1,255}")

_DTYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP32": "<f4",
    "FP64": "<f8",
}
_DATATYPES = {dtype.lstrip("<") if dtype != "?" else "b1": datatype for datatype, dtype in _DTYPES.items()}
