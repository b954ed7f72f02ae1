"""Makes `from bytewax.swarm import register_bee, DevSwarm` work, which bees of 2021 contain. New bees import `waggle`.

This folder has no `__init__.py`. If the real package `bytewax` is also installed, Python therefore finds the modules of both packages.
"""

import bytewax
from waggle import DevSwarm, Swarm, get_secret, register_bee

__all__ = ["DevSwarm", "Swarm", "get_secret", "register_bee"]

# Bees of 2021 call bytewax.get_secret(name=…).
if not hasattr(bytewax, "get_secret"):
    bytewax.get_secret = get_secret  # type: ignore[attr-defined]
