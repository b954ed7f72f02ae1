"""An installed module with bees, which comes from a package."""

from __future__ import annotations

import importlib
import json
import os
from typing import Optional

from .bee_file import BeeFile


class BeeModule(BeeFile):
    """An installed module with bees. Waggle gives the `spec` of the swarm's bee in the variable WAGGLE_BEE_SPEC."""

    def __init__(self, name: str) -> None:
        self.path = ""
        self.name = name
        self._folder = ""
        self.spec = json.loads(os.environ.get("WAGGLE_BEE_SPEC", "{}"))

    def load(self) -> None:
        """Imports the module. Raises any error that the module raises."""
        module = importlib.import_module(self.name)
        self.path = module.__file__ or ""
        self._folder = os.path.dirname(self.path)

    def advice(self, error: BaseException) -> Optional[str]:
        """The next step after an error of `load`; None if the error says enough."""
        if isinstance(error, ModuleNotFoundError) and error.name is not None:
            return f"Add the package of {error.name} to the dependencies in the package's pyproject.toml."
        return None

    def _is_own(self, filename: str) -> bool:
        """A module that lies among others is one file. A package is a folder."""
        if os.path.basename(self.path) == "__init__.py":
            return filename.startswith(self._folder + os.sep)
        return self.path != "" and filename == self.path
