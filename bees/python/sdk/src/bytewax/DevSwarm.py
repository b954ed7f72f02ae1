"""Makes `from bytewax import DevSwarm` work, which bees of 2021 contain.

The folder `bytewax` has no `__init__.py`, so the import finds this module. The module then replaces itself by the object of that name.
"""

import sys

from waggle import DevSwarm

sys.modules[__name__] = DevSwarm  # type: ignore[assignment]
