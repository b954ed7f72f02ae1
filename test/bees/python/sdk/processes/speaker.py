"""Plays Waggle to a runner: over lines or frames on the standard streams, or over frames on a socket."""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path


class Runner:
    """A runner of a bee whose file has this source. `form` is "json", "binary" or "socket"."""

    def __init__(self, source, bee="bee", *, form="json", name="bee.py", env=None):
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / name
        self.file.write_text(textwrap.dedent(source), encoding="utf-8")
        self.form = form
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WAGGLE_")}
        listener = None
        if form != "json":
            environment["WAGGLE_PROTOCOL"] = "1"
        if form == "socket":
            path = str(Path(self.folder.name) / "s")
            environment["WAGGLE_BEE_SOCKET"] = path
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(1)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "waggle.runner", str(self.file), bee],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, **(env or {})},
        )
        self.reader, self.writer, self.connection = self.process.stdout, self.process.stdin, None
        if listener is not None:
            self.connection, _ = listener.accept()
            listener.close()
            self.reader, self.writer = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.hello = json.loads(self.reader.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for stream in {self.reader, self.writer, self.process.stdin, self.process.stdout, self.process.stderr, self.connection} - {None}:
            try:
                stream.close()
            except OSError:
                pass
        self.folder.cleanup()

    def send(self, *messages, body=b""):
        for message in messages:
            head = json.dumps(message).encode()
            self.writer.write(head + b"\n" if self.form == "json" else struct.pack("<II", len(head), len(body)) + head + body)
        self.writer.flush()

    def read(self):
        """The next message and its body; None at the end."""
        if self.form == "json":
            line = self.reader.readline()
            return json.loads(line) if line else None
        lengths = self.reader.read(8)
        if not lengths:
            return None
        head, body = struct.unpack("<II", lengths)
        message = json.loads(self.reader.read(head))
        data = self.reader.read(body)
        return {**message, "body": data} if data else message

    def ask(self, value, **fields):
        self.send({"id": 1, "request_id": "r-1", "attempt": 1, "deadline": None, "json": value, **fields})
        return self.read()

    def end(self):
        """Ends the input. Returns the messages that still come, the status and the log."""
        self.writer.close()
        if self.connection is not None:
            self.connection.shutdown(socket.SHUT_WR)
        rest = []
        message = self.read()
        while message is not None:
            rest.append(message)
            message = self.read()
        log = self.process.stderr.read().decode()
        if self.connection is not None:
            log += self.process.stdout.read().decode()
        return rest, self.process.wait(10), log
