"""`from bytewax import Gateway`, as files of 2021 say.

A package without `__init__.py` has no names of its own, so a module of this name becomes what it is asked for.
"""

import sys

from bytewax.gateway import Gateway

sys.modules[__name__] = Gateway  # type: ignore[assignment]
