"""`from bytewax.swarm import register_bee, DevSwarm`, as files of 2021 say. Use `waggle` in new ones.

This folder has no `__init__.py`: it lies beside the modules of a real `bytewax`, if that is installed, and changes none of them.
"""

import importlib

from waggle import DevSwarm, Swarm, get_secret, register_bee

__all__ = ["DevSwarm", "Swarm", "get_secret", "register_bee"]
