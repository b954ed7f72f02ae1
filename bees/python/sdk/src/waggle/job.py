"""One request in this process, from its message to its result."""

from __future__ import annotations

from typing import Any, List, Optional

from .bee_file import BeeFile
from .channel import Channel, Message, MessageTooLarge
from .context import Context
from .errors import BadResult, Cancelled, Refused
from .parts import joined
from .payload import Body, Buffer, Fields, Media, decode_value, encode_value
from .swarm import Call, Result


class Job:
    """A request, with the call that computes it. It gives exactly one result."""

    __slots__ = ("id", "more", "context", "call", "_message", "_channel", "_file", "_parts")

    def __init__(self, message: Message, channel: Channel, file: BeeFile) -> None:
        fields = message.fields
        self.id: int = fields["id"]
        self.more = fields.get("more") is True
        self.call = Call()
        deadline = fields.get("deadline")
        self.context = Context(
            str(fields.get("request_id", "")),
            attempt=fields.get("attempt", 1),
            headers=fields.get("headers"),
            deadline=None if deadline is None else deadline / 1000,
            content_type=fields.get("content_type"),
            spec=file.spec,
        )
        self.context._call = self.call
        self.context.parts = [_part_in(part, message.body) for part in fields.get("published", ())]
        self._parts: List[Any] = []
        self._message: Optional[Message] = message
        self._channel = channel
        self._file = file

    def payload(self) -> Any:
        """The input of the bee. The input can be taken only once, so that its memory is freed as soon as the bee drops the input."""
        message, self._message = self._message, None
        assert message is not None
        return decode_value(message.fields, message.body)

    def publish(self, part: Any) -> None:
        """Publishes the next part of the result."""
        body = self._channel.body()
        number = len(self._parts)
        self._channel.write({"part": self.id, "number": number, **encode_value(part, body)}, body)
        self._parts.append(part)

    def whole_of_parts(self) -> Any:
        """The parts as one result; None if the bee has published or responded, because the published value or the answer is its result."""
        return None if self.call.has_published or self.call.has_responded else joined(self._parts)

    def succeed(self, returned: Any) -> None:
        """Writes the result of a finished call: the published value and the response, or else the returned value."""
        self.call.is_over = True
        try:
            body = self._channel.body()
            self._channel.write({"id": self.id, **self._fields(self.call.result(returned), body)}, body)
        except (BadResult, MessageTooLarge) as error:
            self._write_error(f"the result cannot be passed on: {error}")
        except Exception as error:
            self._write_error(f"the result cannot be passed on: {self._file.described(error)}")

    def fail(self, error: BaseException) -> None:
        """Writes the result of a call that raised an error."""
        self.call.is_over = True
        if isinstance(error, Refused):
            self._channel.write({"id": self.id, "refuse": _cut(str(error) or "the bee refused the input")})
        elif isinstance(error, Cancelled) and self.context.cancelled:
            self.give_up()
        elif isinstance(error, BadResult):
            self._write_error(f"the result cannot be passed on: {error}")
        else:
            self._write_error(self._file.described(error))

    def give_up(self) -> None:
        """Reports that this request is no longer computed: as cancelled if Waggle has cancelled the request, else as an error."""
        self.call.is_over = True
        if self.context.was_cancelled:
            self._channel.write({"id": self.id, "cancelled": True})
        else:
            self._write_error("the deadline passed before the bee was done")

    def _fields(self, result: Result, body: Body) -> Fields:
        """The fields of a result. The message's own value goes to the next bees, and `respond` is the answer to the caller. If `respond` is true,
        the message's own value is also the answer."""
        if not result.has_published:
            return {**encode_value(result.responded, body), "respond": True}
        fields = encode_value(result.published, body, result.content_type)
        return {**fields, "respond": encode_value(result.responded, body)} if result.has_responded else fields

    def _write_error(self, text: str) -> None:
        self._channel.write({"id": self.id, "error": _cut(text)})


def _part_in(fields: Fields, body: Optional[Buffer]) -> Any:
    """A published part. Bytes keep their media type, so that the bee can yield the same part again."""
    value = decode_value(fields, body)
    return Media(value, fields["content_type"]) if isinstance(value, bytes) else value


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_SENTENCE_CHARACTERS else text[: _MAX_SENTENCE_CHARACTERS - 1] + "…"


_MAX_SENTENCE_CHARACTERS = 4096
