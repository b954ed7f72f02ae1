"""`from bytewax import DevSwarm`, as files of 2021 say.

A package without `__init__.py` has no names of its own, so a module of this name becomes what it is asked for.
"""

import sys

from waggle import DevSwarm

sys.modules[__name__] = DevSwarm  # type: ignore[assignment]
