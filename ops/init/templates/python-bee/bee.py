"""A bee type for Waggle. `register_bee` declares it: `waggle validate` checks specs with `spec`, and `waggle bees catalog {{type}}` prints the rest."""

from waggle import Refused, register_bee


@register_bee(
    name="{{type}}",
    summary="Greets the name in its input.",
    delivery="It only computes: the same input has the same result.",
    spec={
        "type": "object",
        "properties": {"greeting": {"type": "string", "default": "Hello", "description": "The word before the name."}},
        "additionalProperties": False,
    },
    examples=[{"greeting": "Hello"}],
)
def greet(payload: dict, context) -> dict:
    """Greets by name. `context.spec` has the keys of `spec` in a swarm file. `Refused` gives the caller status 422."""
    name = payload.get("name") if isinstance(payload, dict) else None
    if not isinstance(name, str):
        raise Refused("the input has no name")
    return {"text": f"{context.spec.get('greeting', 'Hello')}, {name}!"}
