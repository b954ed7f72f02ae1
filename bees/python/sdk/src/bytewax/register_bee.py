"""Makes `from bytewax import register_bee` work, which bees of 2021 contain.

The folder `bytewax` has no `__init__.py`, so the import finds this module. The module then replaces itself by the object of that name.
"""

import sys

from waggle import register_bee

sys.modules[__name__] = register_bee  # type: ignore[assignment]
