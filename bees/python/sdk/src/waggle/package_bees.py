"""`python -m waggle.package_bees PACKAGE`: writes the bee types of an installed package to descriptor 3, for `waggle bees add`.

A package names its bees as entry points of the group `waggle.bees`: `words = "waggle_bee_words:words"`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
from typing import Any, Dict, List

from .annotations import types_of
from .bee import bee_of
from .errors import BadBee

KEYWORD = "waggle-bee"
GROUP = "waggle.bees"


def bees_in(package: str) -> List[Dict[str, Any]]:
    """The bee types of a package. It imports the package, and calls no function in it. Raises BadBee for a package that has none."""
    found = importlib.metadata.distribution(package)
    if KEYWORD not in _keywords_of(found):
        raise BadBee(f"{package} is not a bee: its metadata lacks the keyword {KEYWORD}")
    points = [one for one in found.entry_points if one.group == GROUP]
    if not points:
        raise BadBee(f"{package} has no entry point in the group {GROUP}")
    return [_described(package, one) for one in points]


def _keywords_of(found: importlib.metadata.Distribution) -> List[str]:
    return [word.strip() for word in (found.metadata["Keywords"] or "").replace(" ", ",").split(",")]


def _described(package: str, point: Any) -> Dict[str, Any]:
    module = point.value.partition(":")[0].strip()
    bee = bee_of(point.load())
    if bee is None:
        raise BadBee(f"{package}: {point.value} is no function with @register_bee")
    if bee.name != point.name:
        raise BadBee(f"{package}: the entry point {point.name} is the bee {bee.name}: give both one name")
    declared = bee.declaration
    missing = [what for what in ("summary", "delivery", "spec") if getattr(declared, what) is None]
    if missing:
        raise BadBee(f"{bee.place}: @register_bee of {bee.name} lacks {' and '.join(missing)}")
    return {
        "type": bee.name,
        "module": module,
        "summary": declared.summary,
        "delivery": declared.delivery,
        "spec": declared.spec,
        "examples": list(declared.examples),
        "types": types_of(bee),
    }


def _verdict_on(package: str) -> Dict[str, Any]:
    try:
        return {"bees": bees_in(package)}
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, BadBee) else f"{type(error).__name__}: "
        return {"error": f"{kind}{error}"}


if __name__ == "__main__":
    try:
        written = json.dumps(_verdict_on(sys.argv[1]))
    except (TypeError, ValueError) as error:
        written = json.dumps({"error": f"the declaration of a bee is no JSON: {error}"})
    os.write(3, written.encode())
    # A thread that the package has started would keep the process alive.
    os._exit(0)
