"""Loads a user's file, and finds the user's own lines in the traceback of an error."""

from __future__ import annotations

import importlib.util
import json
import linecache
import os
import sys
import traceback
from types import ModuleType, TracebackType
from typing import Any, List, Mapping, Optional, Tuple

from .bee import Bee, bee_named, bee_names
from .errors import BadBee


class BeeFile:
    """A file with bees: a Python file or a notebook."""

    #: What `context.spec` has.
    spec: Mapping[str, Any] = {}

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.name = os.path.basename(self.path)
        self._folder = os.path.dirname(self.path)

    def load(self) -> None:
        """Runs the file, as `import` would. Raises BadBee if the file does not exist, and any error that the file raises."""
        if not os.path.isfile(self.path):
            raise BadBee(f"{self.name}: there is no such file: correct spec.file")
        sys.path.insert(0, self._folder)
        stem = os.path.splitext(self.name)[0]
        module_name = stem if stem.isidentifier() and stem not in sys.modules else f"waggle_bee_{abs(hash(stem))}"
        module = ModuleType(module_name)
        module.__file__ = self.path
        sys.modules[module_name] = module
        if self.name.endswith(".ipynb"):
            for label, source in _cells_of(self.path, self.name):
                _run(source, label, module)
        else:
            spec = importlib.util.spec_from_file_location(module_name, self.path)
            if spec is None or spec.loader is None:
                raise BadBee(f"{self.name}: a bee's file is a .py file or a notebook (.ipynb)")
            module.__spec__ = spec
            module.__loader__ = spec.loader
            spec.loader.exec_module(module)

    def bee(self, name: str) -> Bee:
        """The bee of this name. Raises BadBee, with the names of the existing bees, if there is no such bee."""
        bee = bee_named(name)
        if bee is not None:
            return bee
        names = ", ".join(bee_names())
        there = f"it has {names}" if names else f"it registers none: write @register_bee(name={name!r}) above the function"
        raise BadBee(f"{self.name} has no bee {name!r}; {there}")

    def advice(self, error: BaseException) -> Optional[str]:
        """The next step after an error of `load`; None if the error says enough."""
        if isinstance(error, ModuleNotFoundError) and error.name is not None:
            return f"Add the package of {error.name} to requirements.txt."
        return None

    def described(self, error: BaseException) -> str:
        """An error in one line: its type, its message, and the place in the user's code that is nearest to the error."""
        place = self.place_of(error)
        return f"{_sentence(error)}{'' if place is None else f' ({place})'}"

    def place_of(self, error: BaseException) -> Optional[str]:
        """The place `FILE:LINE` in the user's code, relative to the bee's folder; None if the traceback has no line of the user."""
        if isinstance(error, SyntaxError) and error.filename is not None and self._is_own(error.filename):
            return f"{self._shown(error.filename)}:{error.lineno}"
        place = None
        frame: Optional[TracebackType] = error.__traceback__
        while frame is not None:
            filename = frame.tb_frame.f_code.co_filename
            if self._is_own(filename):
                place = f"{self._shown(filename)}:{frame.tb_lineno}"
            frame = frame.tb_next
        return place

    def traceback_of(self, error: BaseException) -> str:
        """The traceback for the log, without the frames of this package."""
        shown: Optional[TracebackType] = error.__traceback__
        while shown is not None and shown.tb_frame.f_code.co_filename.startswith((_own_folder, "<frozen importlib")):
            shown = shown.tb_next
        return "".join(traceback.format_exception(type(error), error, shown)).rstrip()

    def _is_own(self, filename: str) -> bool:
        if filename.startswith(self.name):
            return True
        inside = filename.startswith(self._folder + os.sep)
        return inside and "site-packages" not in filename and not filename.startswith((_own_folder, sys.prefix + os.sep))

    def _shown(self, filename: str) -> str:
        return os.path.relpath(filename, self._folder) if os.path.isabs(filename) else filename


def _cells_of(path: str, name: str) -> List[Tuple[str, str]]:
    """The code of a notebook, cell by cell. A line that only a notebook understands (%magic, !command) becomes an empty line."""
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        sources = [(number, "".join(cell["source"])) for number, cell in enumerate(cells, 1) if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError) as error:
        raise BadBee(f"{name}: this is no notebook of format 4 ({_sentence(error)})") from None
    return [(f"{name}[cell {number}]", _python_of(source)) for number, source in sources]


def _python_of(source: str) -> str:
    if source.startswith("%%"):
        return ""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))


def _run(source: str, label: str, module: ModuleType) -> None:
    linecache.cache[label] = (len(source), None, source.splitlines(True), label)
    exec(compile(source, label, "exec"), module.__dict__)


def _sentence(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be shown"
    kind = type(error).__name__
    return f"{kind}: {message}" if message else kind


_own_folder = os.path.dirname(os.path.abspath(__file__)) + os.sep
