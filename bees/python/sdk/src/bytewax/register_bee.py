"""`from bytewax import register_bee`, as files of 2021 say.

A package without `__init__.py` has no names of its own, so a module of this name becomes what it is asked for.
"""

import sys

from waggle import register_bee

sys.modules[__name__] = register_bee  # type: ignore[assignment]
