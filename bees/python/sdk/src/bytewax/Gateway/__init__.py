"""Makes `from bytewax import Gateway` work, which bees of 2021 contain.

The folder `bytewax` has no `__init__.py`, so the import finds this module. The module then replaces itself by the object of that name.
"""

import sys

from bytewax.gateway import Gateway

sys.modules[__name__] = Gateway  # type: ignore[assignment]
