"""The bee of this swarm."""

from waggle import Refused, register_bee


@register_bee(name="greet")
def greet(payload):
    """Greets by name. The result goes to the next bee. `Refused` gives the caller status 422."""
    name = payload.get("name") if isinstance(payload, dict) else None
    if not isinstance(name, str):
        raise Refused('Send {"name": "…"}')
    return {"greeting": f"Hello, {name}!"}
