"""`from bytewax import get_secret`, as files of 2021 say.

A package without `__init__.py` has no names of its own, so a module of this name becomes what it is asked for.
"""

import sys

from waggle import get_secret

sys.modules[__name__] = get_secret  # type: ignore[assignment]
