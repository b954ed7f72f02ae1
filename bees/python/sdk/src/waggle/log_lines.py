"""Gives the lines that a bee prints and logs the request that they belong to, in the form of bees/PROTOCOL.md, "Lines of the log"."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import os
import sys
import threading
from typing import Any, Dict, Tuple

#: The ids of the requests of the current call.
current_requests: "contextvars.ContextVar[Tuple[str, ...]]" = contextvars.ContextVar("waggle_requests", default=())

#: The level of the record that `logging` is writing.
_level: "contextvars.ContextVar[str]" = contextvars.ContextVar("waggle_level", default="")


def open_log() -> None:
    """Lets the standard streams write lines with their request, if Waggle reads such lines.

    A handler of `logging` that writes to one of the streams gives its lines the level of their record too.
    """
    if os.environ.get("WAGGLE_LOG_LINES") != "1":
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            lines = LogStream(stream.detach(), encoding="utf-8", errors="backslashreplace", line_buffering=True)
            setattr(sys, name, lines)
            setattr(sys, f"__{name}__", lines)
    plain: Any = logging.StreamHandler.emit

    def emit(handler: Any, record: logging.LogRecord) -> None:
        token = _level.set(_level_of(record.levelno))
        try:
            plain(handler, record)
        finally:
            _level.reset(token)

    handlers: Any = logging.StreamHandler
    handlers.emit = emit


class LogStream(io.TextIOWrapper):
    """A stream whose whole lines are written with the request of the call that ends them.

    A line that is flushed before its end is written as it is, so that nothing is lost if the process ends.
    """

    def __init__(self, buffer: Any, **options: Any) -> None:
        super().__init__(buffer, **options)
        self._lines_lock = threading.RLock()
        self._rest = ""
        self._is_begun = False

    def write(self, text: str) -> int:
        with self._lines_lock:
            lines = (self._rest + text).split("\n")
            self._rest = lines.pop()
            for line in lines:
                super().write(f"{line if self._is_begun else _described(line)}\n")
                self._is_begun = False
            # Waggle cuts a line here too.
            self._rest = self._rest[:_MAX_LINE_CHARACTERS]
        return len(text)

    def flush(self) -> None:
        with self._lines_lock:
            if self._rest:
                self._begin()
            super().flush()

    def _begin(self) -> None:
        super().write(self._rest if self._is_begun else _plain(self._rest))
        self._rest = ""
        self._is_begun = True


def _described(line: str) -> str:
    """The line with its level and its request; the line itself if it has neither."""
    requests, level = current_requests.get(), _level.get()
    if line.strip() == "" or (not requests and level == ""):
        return _plain(line)
    fields: Dict[str, Any] = {} if level == "" else {"level": level}
    if len(requests) == 1:
        fields["request_id"] = requests[0]
    elif requests:
        fields["request_ids"] = requests[:_MAX_IDS]
        fields["requests"] = len(requests)
    return _RECORD_SEPARATOR + _encoded(fields, line, _MAX_LINE_CHARACTERS)


def _plain(line: str) -> str:
    """The line, with an escape in place of the character that begins a record. So no text of a caller can look like a record."""
    return f"\\x1e{line[1:]}" if line.startswith(_RECORD_SEPARATOR) else line


def _encoded(fields: Dict[str, Any], line: str, most: int) -> str:
    """The record with as much of the line as surely fits. A character of a line becomes six at most."""
    text = json.dumps({**fields, "message": line[:most]}, ensure_ascii=False)
    if len(text) <= most:
        return text
    room = most - len(json.dumps({**fields, "message": ""}, ensure_ascii=False))
    cut = json.dumps({**fields, "message": line[:room]}, ensure_ascii=False)
    return cut if len(cut) <= most else json.dumps({**fields, "message": line[: room // 6]}, ensure_ascii=False)


def _level_of(number: int) -> str:
    if number < logging.INFO:
        return "debug"
    if number < logging.WARNING:
        return "info"
    return "warn" if number < logging.ERROR else "error"


_RECORD_SEPARATOR = "\x1e"
#: Waggle cuts a longer line.
_MAX_LINE_CHARACTERS = 8000
_MAX_IDS = 10
