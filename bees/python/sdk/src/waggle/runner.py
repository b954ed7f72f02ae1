"""`python -m waggle.runner FILE BEE`: runs a bee for Waggle by the protocol of bees/PROTOCOL.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Union

from .bee import Bee
from .bee_file import BeeFile
from .bee_module import BeeModule
from .calls import Calls
from .channel import Channel, TooDeep
from .errors import BadBee
from .job import Job
from .log_lines import open_log
from .sync_worker import SyncWorker

if TYPE_CHECKING:
    from .async_worker import AsyncWorker


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs a bee until its input ends, and returns the exit status: 0, or 1 if the bee cannot start."""
    parser = argparse.ArgumentParser(prog="python -m waggle.runner", description="Runs a bee of a Python file or notebook for Waggle.")
    parser.add_argument("file", metavar="FILE", help="a .py file or a notebook (.ipynb)")
    parser.add_argument("bee", metavar="BEE", help="the name that @register_bee gives the function")
    parser.add_argument("--module", action="store_true", help="FILE is the name of an installed module")
    parser.add_argument("--directory", metavar="DIRECTORY", help="the working folder of an installed module, which is no place of modules")
    given = parser.parse_args(arguments)
    if given.directory is not None:
        _enter(given.directory)
    channel = Channel.open()
    open_log()
    file = BeeModule(given.file) if given.module else BeeFile(given.file)
    bee = _loaded(file, given.bee, channel)
    if bee is None:
        return 1
    calls = Calls(bee, file)
    worker = _worker(calls)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    channel.write_line(_hello(bee, channel))
    threading.Thread(target=_read_all, args=(channel, worker, file), name="waggle-reader", daemon=True).start()
    worker.run()
    # A signal ends the process if a thread of the bee keeps it alive.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    return 0


def _enter(directory: str) -> None:
    """Changes the working folder. Also removes the first working folder from the search path of modules, where Python before 3.11 puts it."""
    began = ("", os.getcwd())
    sys.path[:] = [place for place in sys.path if place not in began]
    os.chdir(directory)


def _worker(calls: Calls) -> "Union[SyncWorker, AsyncWorker]":
    if not calls.bee.is_async:
        return SyncWorker(calls)
    from .async_worker import AsyncWorker

    return AsyncWorker(calls)


def _hello(bee: Bee, channel: Channel) -> Dict[str, Any]:
    """The hello. A plain function computes one request at a time, so only one more request may wait here. Further requests can go to another worker."""
    wants = ["cancel", "ping", "headers", *(["parts"] if bee.gives_parts else [])]
    hello: Dict[str, Any] = {"waggle": 1, "form": "binary" if channel.binary else "json", "wants": wants}
    return hello if bee.is_async or bee.batch else {**hello, "window": _SYNC_WINDOW}


def _loaded(file: BeeFile, name: str, channel: Channel) -> Optional[Bee]:
    """The bee of the file. If the bee cannot start, writes the reason to Waggle and returns None."""
    loading = _Loading(channel, file.name)
    try:
        file.load()
        return file.bee(name)
    except BadBee as error:
        loading.end()
        channel.write_line({"failed": str(error)})
    except (Exception, SystemExit) as error:
        loading.end()
        print(file.traceback_of(error), file=sys.stderr)
        failed = {"failed": file.described(error), "place": file.place_of(error), "next": file.advice(error)}
        channel.write_line({field: text for field, text in failed.items() if text is not None})
    finally:
        loading.end()
    return None


class _Loading:
    """Tells Waggle every 40 seconds that the file is still loading, because a process that writes nothing for 60 seconds is killed."""

    def __init__(self, channel: Channel, what: str) -> None:
        self._channel = channel
        self._what = what
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waggle-loading", daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_LOADING_SECONDS):
            self._channel.write_line({"loading": self._what})


def _read_all(channel: Channel, worker: "Union[SyncWorker, AsyncWorker]", file: BeeFile) -> None:
    """Reads messages until the input ends. Only one thread runs this function."""
    try:
        while True:
            try:
                message = channel.read()
            except TooDeep as error:
                channel.write({"id": error.request_id, "refuse": "The input is nested too deep"})
                continue
            if message is None:
                break
            fields = message.fields
            if "id" in fields:
                worker.take(Job(message, channel, file))
            elif "ping" in fields:
                channel.write({"pong": fields["ping"]})
            elif "cancel" in fields:
                worker.cancel(fields["cancel"])
    except Exception as error:
        print(f"The channel to Waggle broke: {error}", file=sys.stderr)
    worker.finish()


_SYNC_WINDOW = 2
_LOADING_SECONDS = 40

if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.exit(status)
