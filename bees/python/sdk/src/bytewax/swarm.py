"""`from bytewax.swarm import register_bee, DevSwarm`, as files of 2021 say. Use `waggle` in new ones.

This folder has no `__init__.py`, so it lies beside the modules of a real `bytewax`, if that is installed, and changes none of them.
"""

import bytewax
from waggle import DevSwarm, Swarm, get_secret, register_bee

__all__ = ["DevSwarm", "Swarm", "get_secret", "register_bee"]

# Bees of 2021 call bytewax.get_secret(name=…).
if not hasattr(bytewax, "get_secret"):
    bytewax.get_secret = get_secret  # type: ignore[attr-defined]
