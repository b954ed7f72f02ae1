import asyncio

import numpy

from waggle import Media, Refused, register_bee


@register_bee(name="mirror")
def mirror(picture: numpy.ndarray) -> numpy.ndarray:
    return picture[:, ::-1]


@register_bee(name="mean", batch=True)
def mean(pictures):
    if not isinstance(pictures, numpy.ndarray):
        return [Refused("pictures of one shape only")] * len(pictures)
    return pictures.reshape(len(pictures), -1).mean(axis=1)


@register_bee(name="bytes")
def count(payload, context):
    view = numpy.frombuffer(payload, dtype="u1")
    return Media(view[::-1].tobytes(), context.content_type)


@register_bee(name="both")
async def both(parts):
    await asyncio.sleep(0)
    return {"left": parts["a"], "right": numpy.asarray(parts["b"], dtype="f4")}
