"""The channel between Waggle and this process: messages of bees/PROTOCOL.md on two file descriptors."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import struct
import sys
import threading
from typing import Any, Dict, List, Mapping, Optional

from .payload import Body, Buffer, dumps

MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class TooDeep(Exception):
    """A request that Python's JSON reader cannot read, because the request is nested too deeply."""

    def __init__(self, request_id: int) -> None:
        super().__init__(request_id)
        self.request_id = request_id


class Message:
    """A message from Waggle: its fields, and the bytes to which the fields refer."""

    __slots__ = ("fields", "body")

    def __init__(self, fields: Dict[str, Any], body: Optional[Buffer]) -> None:
        self.fields = fields
        self.body = body


class Channel:
    """Reads messages in one thread, and writes them from any thread.

    `binary` is true if messages have the binary form. The hello tells Waggle the form.
    """

    def __init__(self, read_fd: int, write_fd: int, *, binary: bool) -> None:
        self._reader = io.BufferedReader(io.FileIO(read_fd, "rb"), buffer_size=1 << 16)
        self._write_fd = write_fd
        self._lock = threading.Lock()
        self.binary = binary

    @staticmethod
    def open() -> "Channel":
        """Takes the channel that Waggle offers, and keeps `print` and `input` away from it.

        The channel is the socket of WAGGLE_BEE_SOCKET if the variable is set, else the standard streams. Text that the bee prints goes to the log.
        A process that a person starts by hand, without WAGGLE_PROTOCOL, reads and writes JSON lines.
        """
        binary = os.environ.get("WAGGLE_PROTOCOL") == "1"
        path = os.environ.get("WAGGLE_BEE_SOCKET")
        if binary and path and hasattr(socket, "AF_UNIX"):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(path)
            fd = connection.detach()
            channel = Channel(fd, fd, binary=binary)
        else:
            channel = Channel(os.dup(0), os.dup(1), binary=binary)
            os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
        return channel

    def write_line(self, fields: Mapping[str, Any]) -> None:
        """Writes a message as a line of JSON, regardless of the form: the hello, or a message before the hello."""
        self._write([dumps(fields) + b"\n"])

    def write(self, fields: Mapping[str, Any], body: Optional[Body] = None) -> None:
        """Writes a message. Raises BadResult for a value without a form in JSON, and MessageTooLarge above 64 MiB; then writes nothing."""
        self._write(self._encoded(fields, body))

    def read(self) -> Optional[Message]:
        """The next message; None at the end of the input. Raises TooDeep."""
        return self._read_frame() if self.binary else self._read_line()

    def body(self) -> Body:
        """An empty body for a message of this channel."""
        return Body(binary=self.binary)

    def _encoded(self, fields: Mapping[str, Any], body: Optional[Body]) -> List[Buffer]:
        head = dumps(fields)
        length = 0 if body is None else body.length
        if len(head) + length > MAX_MESSAGE_BYTES:
            raise MessageTooLarge(f"it has {len(head) + length} bytes, where at most {MAX_MESSAGE_BYTES} are allowed: give less")
        if not self.binary:
            return [head + b"\n"]
        pieces: List[Buffer] = [struct.pack("<II", len(head), length) + head]
        if body is not None:
            pieces.extend(body.pieces)
        return pieces

    def _write(self, pieces: List[Buffer]) -> None:
        with self._lock:
            try:
                _write_all(self._write_fd, pieces)
            except ConnectionError:
                # Waggle has ended. The reading thread also notices the end, and ends the process.
                pass

    def _read_frame(self) -> Optional[Message]:
        lengths = self._reader.read(8)
        if len(lengths) < 8:
            return None
        head_length, body_length = struct.unpack("<II", lengths)
        head = self._reader.read(head_length)
        if len(head) < head_length:
            return None
        fields = _parsed(head, lambda: self._reader.read(body_length))
        body = self._read_body(fields, body_length)
        return None if body is None else Message(fields, body)

    def _read_body(self, fields: Mapping[str, Any], length: int) -> Optional[Buffer]:
        """The body of a message. A body with a single value is read without the padding, so that the bee gets the value without a copy."""
        wanted = fields.get("length")
        if fields.get("at") == 0 and isinstance(wanted, int) and 0 <= length - wanted < 8:
            value = self._reader.read(wanted)
            rest = self._reader.read(length - wanted)
            return value if len(value) + len(rest) == length else None
        body = bytearray(length)
        return body if self._reader.readinto(body) == length else None

    def _read_line(self) -> Optional[Message]:
        while True:
            line = self._reader.readline()
            if not line.endswith(b"\n"):
                return None
            if line.strip():
                return Message(_parsed(line, lambda: None), None)


class MessageTooLarge(Exception):
    """A message that is larger than the protocol allows."""


def _parsed(head: bytes, skip: Any) -> Dict[str, Any]:
    try:
        fields = json.loads(head)
    except RecursionError:
        skip()
        found = re.match(rb'\s*\{\s*"id"\s*:\s*(\d+)', head)
        raise TooDeep(int(found.group(1)) if found else -1) from None
    if not isinstance(fields, dict):
        raise ValueError(f"Waggle wrote no JSON object: {head[:120]!r}")
    return fields


def _write_all(fd: int, pieces: List[Buffer]) -> None:
    views: List[memoryview] = [memoryview(piece) for piece in pieces]
    while views:
        written = os.writev(fd, views[:_MAX_PIECES])
        while views and written >= views[0].nbytes:
            written -= views.pop(0).nbytes
        if written:
            views[0] = views[0][written:]


_MAX_PIECES = 512
