"""Makes `from bytewax import get_secret` work, which bees of 2021 contain.

The folder `bytewax` has no `__init__.py`, so the import finds this module. The module then replaces itself by the object of that name.
"""

import sys

from waggle import get_secret

sys.modules[__name__] = get_secret  # type: ignore[assignment]
