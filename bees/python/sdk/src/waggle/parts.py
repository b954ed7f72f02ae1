"""Parts of a result, which a generator publishes while it works."""

from __future__ import annotations

from typing import Any, List

from .errors import BadResult
from .payload import Media


def joined(parts: List[Any]) -> Any:
    """The parts as one result: texts are joined, bytes of the same media type are joined, and other JSON values become a list.

    Raises BadResult for parts that have no such form, such as arrays.

    >>> joined(["to", "get", "her"])
    'together'
    >>> joined([{"row": 1}, {"row": 2}])
    [{'row': 1}, {'row': 2}]
    """
    if not parts:
        return None
    if all(isinstance(part, str) for part in parts):
        return "".join(parts)
    if not any(_is_binary(part) for part in parts):
        return list(parts)
    types = {part.content_type if isinstance(part, Media) else "application/octet-stream" for part in parts if isinstance(part, bytes)}
    if all(isinstance(part, bytes) for part in parts) and len(types) == 1:
        return Media(b"".join(parts), types.pop())
    raise BadResult("the parts cannot be joined, because they are arrays or of several kinds: return the whole result at the end, or publish it")


def _is_binary(part: Any) -> bool:
    from .payload import Tensor, is_array

    if isinstance(part, dict):
        return any(_is_binary(one) for one in part.values())
    return isinstance(part, (bytes, bytearray, memoryview, Tensor)) or is_array(part)
