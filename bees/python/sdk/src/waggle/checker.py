"""`python -m waggle.checker FILE BEE`: imports a bee's file, and writes the types of the bee to descriptor 3, for `waggle validate`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, Optional

from .annotations import types_of
from .bee_file import BeeFile
from .errors import BadBee


def verdict_on(path: str, name: str) -> Dict[str, Any]:
    """The types of the bee, or the error that its file raises. Imports the file without calling a function in it."""
    file = BeeFile(path)
    try:
        file.load()
        return {"types": types_of(file.bee(name))}
    except BadBee as error:
        return _failed(str(error), None)
    except (Exception, SystemExit) as error:
        if isinstance(error, ImportError):
            return {"missing": file.described(error)}
        return _failed(file.described(error), file.place_of(error))


def _failed(message: str, place: Optional[str]) -> Dict[str, Any]:
    return {"error": {"message": message, "place": place}}


if __name__ == "__main__":
    written = json.dumps(verdict_on(sys.argv[1], sys.argv[2])).encode()
    os.write(3, written)
    # A thread that the file has started would keep the process alive.
    os._exit(0)
