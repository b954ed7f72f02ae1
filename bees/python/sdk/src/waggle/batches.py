"""Batches: many payloads in one call, and a result for each payload."""

from __future__ import annotations

from typing import Any, List, Sequence

from .errors import BadResult
from .payload import is_array


def stacked(payloads: Sequence[Any]) -> Any:
    """One array with a row for each payload, if all payloads are arrays of the same shape and dtype; else a list of the payloads."""
    first = payloads[0]
    if not all(is_array(one) and one.shape == first.shape and one.dtype == first.dtype for one in payloads):
        return list(payloads)
    if len(payloads) == 1:
        return first[None]
    import numpy

    return numpy.stack(payloads)


def results_of(returned: Any, count: int) -> List[Any]:
    """The results of a batch, from a list, a tuple or an array with a row for each request. Raises BadResult if there are not `count` results."""
    if is_array(returned):
        if returned.ndim == 0 or len(returned) != count:
            raise BadResult(f"the bee got {count} payloads and returned an array of shape {list(returned.shape)}: return a row for each payload")
        return list(returned)
    if not isinstance(returned, (list, tuple)):
        raise BadResult(f"the bee takes batches and returned {type(returned).__name__}: return a list with a result for each payload")
    if len(returned) != count:
        raise BadResult(f"the bee got {count} payloads and returned {len(returned)} results: return one for each payload")
    return list(returned)
