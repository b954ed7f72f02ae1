import signal
import subprocess
import time
import unittest

from speaker import Runner

ECHO = """
from waggle import register_bee

@register_bee
def bee(payload):
    return payload
"""

FORMS = ("json", "binary", "socket")


class Channel(unittest.TestCase):
    def test_a_value_is_returned_in_each_form_and_the_end_of_the_input_ends_the_process(self):
        for form in FORMS:
            with self.subTest(form=form), Runner(ECHO, form=form) as runner:
                self.assertEqual(runner.hello["form"], "json" if form == "json" else "binary")
                for value in (None, 0, "ä\ud800", {"a": [1.5, True]}, [], "x" * 1_000_000):
                    self.assertEqual(runner.ask(value), {"id": 1, "json": value})
                self.assertEqual(runner.end(), ([], 0, ""))

    def test_bytes_are_returned_in_each_form(self):
        source = ECHO.replace("return payload", "assert type(payload) is bytes; return payload")
        data = bytes(range(256)) * 600 + b"rest"
        for form in ("binary", "socket"):
            with self.subTest(form=form), Runner(source, form=form) as runner:
                padded = data + bytes(-len(data) % 8)
                runner.send({"id": 3, "content_type": "image/jpeg", "at": 0, "length": len(data)}, body=padded)
                answer = runner.read()
                self.assertEqual((answer["content_type"], answer["at"], answer["length"]), ("application/octet-stream", 0, len(data)))
                self.assertEqual(answer["body"], padded)
        with Runner(source) as runner:
            runner.send({"id": 3, "content_type": "image/jpeg", "base64": "AAEC"})
            self.assertEqual(runner.read(), {"id": 3, "content_type": "application/octet-stream", "base64": "AAEC"})

    def test_the_prints_and_reads_of_a_bee_do_not_touch_the_channel(self):
        source = """
        import os, subprocess, sys
        print("while it loads")
        from waggle import register_bee

        @register_bee
        def bee(payload):
            print("printed ä", payload)
            os.write(1, b"written\\n")
            subprocess.run([sys.executable, "-c", "print('by a child'); import sys; sys.stdin.read()"])
            sys.stdout.write("without an end")
            try:
                input()
            except EOFError:
                return "no input"
        """
        for form in FORMS:
            with self.subTest(form=form), Runner(source, form=form, env={"PYTHONIOENCODING": "ascii"}) as runner:
                self.assertEqual(runner.ask(1), {"id": 1, "json": "no input"})
                rest, status, log = runner.end()
                self.assertEqual((rest, status), ([], 0))
                for line in ("while it loads", "printed ä 1", "written", "by a child", "without an end"):
                    self.assertIn(line, log)

    def test_results_of_a_coroutine_are_sent_as_soon_as_they_are_ready(self):
        source = """
        import asyncio
        from waggle import register_bee

        @register_bee
        async def bee(seconds):
            await asyncio.sleep(seconds)
            return seconds
        """
        with Runner(source) as runner:
            runner.send({"id": 1, "json": 0.5}, {"id": 2, "json": 0.2}, {"id": 3, "json": 0})
            self.assertEqual([runner.read()["id"] for _ in range(3)], [3, 2, 1])
            self.assertNotIn("window", runner.hello)

    def test_a_join_becomes_a_dict_with_an_error_in_place_of_a_failed_value(self):
        source = """
        from waggle import ErrorInput, register_bee

        @register_bee
        def bee(parts):
            return {name: [part.bee, part.status, str(part)] if isinstance(part, ErrorInput) else part for name, part in parts.items()}
        """
        with Runner(source) as runner:
            error = {"code": "WAGGLE_BEE_DIED", "status": 502, "title": "A bee failed", "detail": "it died", "bee": "b"}
            runner.send({"id": 1, "parts": {"a": {"json": 7}, "b": {"error": error}}})
            self.assertEqual(runner.read()["json"], {"a": 7, "b": ["b", 502, "b: it died"]})


class Wishes(unittest.TestCase):
    def test_a_ping_is_answered_while_the_bee_computes(self):
        source = ECHO.replace("return payload", "import time; time.sleep(payload); return payload")
        with Runner(source) as runner:
            self.assertEqual(set(runner.hello["wants"]), {"cancel", "ping", "headers"})
            runner.send({"id": 1, "json": 0.5}, {"ping": 9})
            self.assertEqual([runner.read(), runner.read()], [{"pong": 9}, {"id": 1, "json": 0.5}])

    def test_a_waiting_request_that_is_cancelled_is_never_computed(self):
        source = ECHO.replace("return payload", "import time; print('computes', payload); time.sleep(0.4); return payload")
        with Runner(source) as runner:
            runner.send({"id": 1, "json": "a"}, {"id": 2, "json": "b"}, {"cancel": 2}, {"cancel": 77}, {"id": 3, "json": "c"})
            self.assertEqual([runner.read() for _ in range(3)], [{"id": 1, "json": "a"}, {"id": 2, "cancelled": True}, {"id": 3, "json": "c"}])
            _, _, log = runner.end()
            self.assertNotIn("computes b", log)

    def test_a_bee_that_checks_its_context_stops_after_a_cancellation(self):
        source = """
        import time
        from waggle import register_bee

        @register_bee
        def bee(payload, context):
            while True:
                context.raise_if_cancelled()
                time.sleep(0.01)
        """
        with Runner(source) as runner:
            runner.send({"id": 1, "json": 1}, {"cancel": 1})
            self.assertEqual(runner.read(), {"id": 1, "cancelled": True})
            late = runner.ask(1, deadline=(time.time() + 0.2) * 1000)
            self.assertEqual(late, {"id": 1, "error": "the deadline passed before the bee was done"})

    def test_a_cancelled_coroutine_is_stopped_where_it_awaits(self):
        source = """
        import asyncio
        from waggle import register_bee

        @register_bee
        async def bee(payload):
            print("began")
            try:
                await asyncio.sleep(100)
            finally:
                print("cleaned up")
        """
        with Runner(source) as runner:
            runner.send({"id": 1, "json": 1})
            self.assertEqual(runner.process.stderr.readline(), b"began\n")
            runner.send({"cancel": 1})
            self.assertEqual(runner.read(), {"id": 1, "cancelled": True})
            self.assertEqual(runner.end(), ([], 0, "cleaned up\n"))

    def test_headers_deadline_and_attempt_reach_the_context(self):
        source = """
        from waggle import register_bee

        @register_bee
        def bee(payload, context):
            return [context.request_id, context.attempt, context.headers, context.deadline, context.content_type]
        """
        with Runner(source) as runner:
            answer = runner.ask(1, attempt=2, headers={"a": "ä"}, deadline=4102444800000, content_type="application/json")
            self.assertEqual(answer["json"], ["r-1", 2, {"a": "ä"}, 4102444800.0, "application/json"])

    def test_requests_that_waggle_sends_together_are_one_batch(self):
        source = """
        from waggle import register_bee

        @register_bee(batch=True)
        def bee(payloads):
            if "bad" in payloads:
                raise ValueError("bad payload")
            return [[one, len(payloads)] for one in payloads]
        """
        for form in FORMS:
            with self.subTest(form=form), Runner(source, form=form) as runner:
                runner.send({"id": 1, "json": "a", "more": True}, {"id": 2, "json": "b"}, {"id": 3, "json": "c"})
                self.assertEqual([runner.read()["json"] for _ in range(3)], [["a", 2], ["b", 2], ["c", 1]])
                runner.send({"id": 4, "json": "d", "more": True}, {"id": 5, "json": "bad", "more": True}, {"id": 6, "json": "e"})
                alone = [runner.read() for _ in range(3)]
                self.assertEqual([one.get("json", one.get("error")) for one in alone], [["d", 1], "ValueError: bad payload (bee.py:7)", ["e", 1]])
                runner.send({"id": 7, "json": "cut off", "more": True})
                rest, status, _ = runner.end()
                self.assertEqual((rest, status), ([{"id": 7, "json": ["cut off", 1]}], 0))

    def test_a_batch_may_contain_refusals_and_a_coroutine_may_take_batches(self):
        source = """
        from waggle import Refused, register_bee

        @register_bee(batch=True)
        async def bee(payloads, contexts):
            return [Refused("not " + one) if one == "b" else one for one in payloads]
        """
        with Runner(source) as runner:
            runner.send({"id": 1, "json": "a", "more": True}, {"id": 2, "json": "b"})
            self.assertEqual([runner.read() for _ in range(2)], [{"id": 1, "json": "a"}, {"id": 2, "refuse": "not b"}])

    def test_publish_and_respond_find_their_request_in_a_batch_by_context(self):
        source = """
        from waggle import register_bee

        @register_bee(batch=True)
        def bee(swarm, payloads, contexts):
            for payload, context in zip(payloads, contexts):
                swarm.publish(payload * 2, context)
        """
        with Runner(source) as runner:
            runner.send({"id": 1, "json": 4, "more": True}, {"id": 2, "json": 5})
            self.assertEqual([runner.read()["json"] for _ in range(2)], [8, 10])


class Failures(unittest.TestCase):
    def test_an_error_has_its_type_its_message_and_only_the_line_of_the_user(self):
        source = """
        import json
        from waggle import Refused, register_bee
        import helper

        class Odd(Exception):
            def __str__(self):
                raise ValueError

        @register_bee
        def bee(payload):
            if payload == "library":
                return json.loads("{")
            if payload == "helper":
                return helper.broken()
            if payload == "exit":
                raise SystemExit(3)
            if payload == "odd":
                raise Odd()
            if payload == "deep":
                return bee(payload)
            if payload == "long":
                raise ValueError("x" * 10_000)
            if payload == "empty":
                assert False
            raise Refused("é" + "x" * 10_000)
        """
        with Runner("import pathlib; (pathlib.Path(__file__).parent / 'helper.py').write_text('def broken():\\n    raise KeyError(1)\\n')\n" + source.replace("\n        ", "\n")) as runner:
            said = {what: runner.ask(what) for what in ("library", "helper", "exit", "odd", "deep", "long", "empty", "refused")}
            self.assertEqual(said["library"]["error"], "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1) (bee.py:14)")
            self.assertEqual(said["helper"]["error"], "KeyError: 1 (helper.py:2)")
            self.assertEqual(said["exit"]["error"], "SystemExit: 3 (bee.py:18)")
            self.assertEqual(said["odd"]["error"], "Odd: its message cannot be shown (bee.py:20)")
            self.assertTrue(said["deep"]["error"].startswith("RecursionError: maximum recursion depth exceeded"))
            self.assertEqual(len(said["long"]["error"]), 4096)
            self.assertEqual(said["empty"]["error"], "AssertionError (bee.py:26)")
            self.assertEqual((said["refused"]["refuse"][:2], len(said["refused"]["refuse"])), ("éx", 4096))
            _, status, log = runner.end()
            self.assertEqual(status, 0)
            self.assertIn("KeyError: 1", log)
            self.assertNotIn("waggle", log.replace("waggle-", ""))
            self.assertNotIn("Refused", log)

    def test_a_result_that_cannot_be_sent_fails_only_its_own_request(self):
        source = """
        from waggle import Media, register_bee

        @register_bee
        async def bee(payload):
            circular = []
            circular.append(circular)
            big = bytes(70_000_000)
            return {"nan": float("nan"), "set": {1}, "circular": circular, "big": big, "huge": big.decode(), "coroutine": bee(1), "fine": 1}[payload]
        """
        for form in ("json", "binary"):
            with self.subTest(form=form), Runner(source, form=form) as runner:
                for what, said in [
                    ("nan", "the value holds NaN"),
                    ("set", "the value holds a set"),
                    ("circular", "the value holds itself"),
                    ("big", "where at most 67108864 are allowed: give less"),
                    ("huge", "where at most 67108864 are allowed: give less"),
                    ("coroutine", "the bee returned a coroutine"),
                ]:
                    error = runner.ask(what)["error"]
                    self.assertTrue(error.startswith("the result cannot be passed on: "), error)
                    self.assertIn(said, error)
                self.assertEqual(runner.ask("fine")["json"], 1)

    def test_only_the_input_that_python_cannot_read_is_refused(self):
        with Runner(ECHO) as runner:
            runner.writer.write(b'{"id":5,"request_id":"r","json":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n")
            runner.writer.flush()
            self.assertEqual(runner.read(), {"id": 5, "refuse": "The input is nested too deep"})
            self.assertEqual(runner.ask(1)["json"], 1)

    def test_publishing_after_the_result_is_an_error_in_the_publishing_thread(self):
        source = """
        import threading
        from waggle import register_bee

        def later(swarm, context):
            try:
                swarm.publish(2, context)
            except Exception as error:
                print(error)

        @register_bee
        def bee(swarm, payload, context):
            if payload == "thread":
                thread = threading.Thread(target=lambda: swarm.publish("from a thread", context))
                thread.start()
                thread.join()
            else:
                swarm.publish(1, context)
                threading.Timer(0.1, later, (swarm, context)).start()
        """
        with Runner(source) as runner:
            self.assertEqual(runner.ask("thread")["json"], "from a thread")
            self.assertEqual(runner.ask("late")["json"], 1)
            time.sleep(0.3)
            rest, status, log = runner.end()
            self.assertEqual((rest, status, log), ([], 0, "this request has its result already: publish and respond before the bee returns\n"))

    def test_a_bee_that_responds_sets_respond_in_its_result(self):
        source = """
        from waggle import register_bee

        @register_bee
        def bee(swarm, payload, context):
            if payload != "respond":
                swarm.publish(b"page", content_type="application/pdf")
            if payload != "publish":
                swarm.respond("could not classify")
        """
        with Runner(source) as runner:
            page = {"id": 1, "content_type": "application/pdf", "base64": "cGFnZQ=="}
            self.assertEqual(runner.ask("publish"), page)
            self.assertEqual(runner.ask("respond"), {"id": 1, "json": "could not classify", "respond": True})
            self.assertEqual(runner.ask("both"), {**page, "respond": {"json": "could not classify"}})


class Ends(unittest.TestCase):
    def test_the_end_of_the_input_waits_for_every_result(self):
        for keyword in ("def", "async def"):
            source = ECHO.replace("def", keyword).replace("return payload", "import time; time.sleep(0.1); return payload")
            with self.subTest(keyword=keyword), Runner(source) as runner:
                runner.send(*[{"id": number, "json": number} for number in range(5)])
                rest, status, _ = runner.end()
                self.assertEqual(([one["json"] for one in rest], status), ([0, 1, 2, 3, 4], 0))

    def test_sigterm_ends_a_process_after_its_running_call_and_leaves_waiting_calls_to_another_process(self):
        source = ECHO.replace("return payload", "import time; print('began'); time.sleep(0.5); return payload")
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number=number), Runner(source) as runner:
                runner.send({"id": 1, "json": 1}, {"id": 2, "json": 2})
                self.assertEqual(runner.process.stderr.readline(), b"began\n")
                runner.process.send_signal(number)
                self.assertEqual((runner.read(), runner.read()), ({"id": 1, "json": 1}, None))
                self.assertEqual((runner.process.wait(10), runner.process.stderr.read()), (0, b""))

    def test_sigterm_ends_an_idle_process(self):
        for source in (ECHO, ECHO.replace("def", "async def")):
            with Runner(source) as runner:
                runner.ask(1)
                runner.process.terminate()
                self.assertEqual((runner.read(), runner.process.wait(10)), (None, 0))

    def test_sigterm_ends_a_process_that_a_thread_of_the_bee_keeps_alive(self) -> None:
        source = ECHO.replace("return payload", "import threading; threading.Thread(target=threading.Event().wait).start(); return payload")
        with Runner(source) as runner:
            self.assertEqual(runner.ask(1)["json"], 1)
            runner.writer.close()
            with self.assertRaises(subprocess.TimeoutExpired):
                runner.process.wait(0.5)
            runner.process.terminate()
            self.assertEqual(runner.process.wait(10), -signal.SIGTERM)

    def test_a_process_ends_without_an_error_when_waggle_has_ended(self):
        source = ECHO.replace("return payload", "import time; time.sleep(0.3); return payload")
        for form in FORMS:
            with self.subTest(form=form), Runner(source, form=form) as runner:
                runner.send({"id": 1, "json": 1})
                if form == "socket":
                    runner.reader.close()
                    runner.writer.close()
                    runner.connection.close()
                runner.process.stdin.close()
                runner.process.stdout.close()
                self.assertEqual(runner.process.wait(10), 0)
                self.assertNotIn("Traceback", runner.process.stderr.read().decode())

    def test_half_a_message_at_the_end_of_the_input_is_ignored(self):
        for form, half in [("json", b'{"id": 1, "js'), ("binary", b"\x10\0\0\0\0\0\0\0{"), ("binary", b"\x10\0")]:
            with self.subTest(form=form, half=half), Runner(ECHO, form=form) as runner:
                runner.writer.write(half)
                self.assertEqual(runner.end(), ([], 0, ""))


class Starts(unittest.TestCase):
    def failed(self, source, bee="bee", name="bee.py"):
        with Runner(source, bee, name=name) as runner:
            self.assertEqual(runner.process.wait(10), 1)
            return runner.hello, runner.process.stderr.read().decode()

    def test_the_error_for_a_broken_file_has_the_reason_and_the_place(self):
        cases = [
            ("import no_such_module_here\n", "ModuleNotFoundError: No module named 'no_such_module_here' (bee.py:1)", "bee.py:1"),
            ("x = 1\ny = (\n", None, "bee.py:2"),
            ("\n1/0\n", "ZeroDivisionError: division by zero (bee.py:2)", "bee.py:2"),
            ("import sys\nsys.exit('no model')\n", "SystemExit: no model (bee.py:2)", "bee.py:2"),
        ]
        for source, why, place in cases:
            with self.subTest(source=source):
                hello, log = self.failed(source)
                self.assertEqual(hello.get("place"), place)
                self.assertTrue(hello["failed"] == why if why else hello["failed"].startswith("SyntaxError: "), hello)
                self.assertNotIn("waggle/", log)
        self.assertEqual(self.failed(cases[0][0])[0]["next"], "Add the package of no_such_module_here to requirements.txt.")

    def test_the_error_for_a_missing_bee_names_the_existing_bees(self):
        hello, log = self.failed(ECHO, "baa")
        self.assertEqual((hello["failed"], log), ("bee.py has no bee 'baa'; it has bee", ""))
        hello, _ = self.failed("def bee(payload):\n    return 1\n")
        self.assertEqual(hello["failed"], "bee.py has no bee 'bee'; it registers none: write @register_bee(name='bee') above the function")
        hello, _ = self.failed(ECHO.replace("(payload)", "(a, b, c, d)"))
        self.assertIn("bee.py:4: the bee bee takes (a, b, c, d)", hello["failed"])
        hello, _ = self.failed("hello", name="bee.txt")
        self.assertEqual(hello["failed"], "bee.txt: a bee's file is a .py file or a notebook (.ipynb)")

    def test_a_file_may_have_the_name_of_a_module_and_import_its_neighbour(self):
        source = ECHO.replace("return payload", "import neighbour; return neighbour.value")
        for name in ("json.py", "waggle.py", "my-bee 2.py"):
            with self.subTest(name=name), Runner(source, name=name) as runner:
                (runner.file.parent / "neighbour.py").write_text("value = 7\n")
                self.assertEqual(runner.ask(1)["json"], 7)

    def test_a_notebook_is_a_file_of_bees(self):
        source = """
        {"nbformat": 4, "cells": [
          {"cell_type": "markdown", "source": ["# A notebook"]},
          {"cell_type": "code", "source": ["%matplotlib inline\\n", "!ls\\n", "import math"]},
          {"cell_type": "code", "source": "%%bash\\nexit 1"},
          {"cell_type": "code", "source": ["from bytewax.swarm import register_bee, DevSwarm\\n", "@register_bee(name='root')\\n", "def root(swarm, data, context):\\n",
                                          "    swarm.publish(math.sqrt(data), context)"]},
          {"cell_type": "code", "source": ["if __name__ == '__main__':\\n", "    raise SystemExit('a cell for people')"]}
        ]}
        """
        with Runner(source, "root", name="forecast.ipynb") as runner:
            self.assertEqual(runner.ask(9)["json"], 3.0)
            self.assertRegex(runner.ask(-1)["error"], r"^ValueError: .* \(forecast\.ipynb\[cell 4\]:4\)$")
            self.assertIn("swarm.publish(math.sqrt(data), context)", runner.end()[2])
        for source in ("no JSON", "{}", "[]", '{"cells": 1}'):
            self.assertRegex(self.failed(source, name="bad.ipynb")[0]["failed"], r"^bad\.ipynb: this is no notebook of format 4")


if __name__ == "__main__":
    unittest.main()
