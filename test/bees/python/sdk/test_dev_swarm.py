import asyncio
import dataclasses
import datetime
import decimal
import enum
import pathlib
import unittest
import uuid

from waggle import BadResult, Context, DevSwarm, Media, Refused, WaggleError, refuse, register_bee
from waggle.swarm import Swarm


def process(swarm, data, context):
    """The bee of the documentation of 2021."""
    if data["score"] < 0.8:
        swarm.publish(data, context)
        swarm.respond("could not classify")
    else:
        swarm.respond({"data": data["classification"]}, context)


class DevSwarmOf2021(unittest.TestCase):
    def test_published_and_responded_contain_all_values_in_order(self) -> None:
        swarm = DevSwarm()
        process(swarm, {"score": 0.75, "classification": "cat"}, {})
        process(swarm, {"score": 0.85, "classification": "cat"}, {})
        self.assertEqual(swarm.published, [{"score": 0.75, "classification": "cat"}])
        self.assertEqual(swarm.responded, ["could not classify", {"data": "cat"}])
        swarm.clear()
        self.assertEqual((swarm.published, swarm.responded), ([], []))

    def test_call_runs_the_same_bee_and_returns_its_result_for_the_next_bee(self) -> None:
        swarm = DevSwarm()
        self.assertEqual(swarm.call(process, {"score": 0.5, "classification": "cat"}), {"score": 0.5, "classification": "cat"})
        self.assertEqual(swarm.call(process, {"score": 0.9, "classification": "cat"}), {"data": "cat"})
        self.assertEqual(swarm.responded, ["could not classify", {"data": "cat"}])


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Score:
    label: str
    at: datetime.datetime


class PydanticLike:
    def model_dump(self, mode: str) -> object:
        return {"mode": mode}


class Frame:
    def to_json(self) -> str:
        return "{}"


class Results(unittest.TestCase):
    def result(self, value: object) -> object:
        return DevSwarm().call(lambda payload: value, None)

    def test_values_with_a_single_plain_json_form_are_converted(self) -> None:
        at = datetime.datetime(2026, 1, 2, 3, 4, 5)
        identity = uuid.UUID(int=7)
        for value, plain in [
            (None, None),
            (True, True),
            ((1, 2), [1, 2]),
            ({"a": [1.5, "ä\ud800"]}, {"a": [1.5, "ä\ud800"]}),
            (Score("cat", at), {"label": "cat", "at": "2026-01-02T03:04:05"}),
            ([Score("cat", at)], [{"label": "cat", "at": "2026-01-02T03:04:05"}]),
            (PydanticLike(), {"mode": "json"}),
            ({"on": datetime.date(2026, 1, 2)}, {"on": "2026-01-02"}),
            ([Colour.RED, identity, pathlib.PurePosixPath("/a/b")], ["red", str(identity), "/a/b"]),
            (b"abc", b"abc"),
            (bytearray(b"abc"), b"abc"),
            (memoryview(b"abcdef")[::2], b"ace"),
            (Media(b"abc", "image/png"), b"abc"),
            (2**53 - 1, 2**53 - 1),
        ]:
            with self.subTest(value=value):
                self.assertEqual(self.result(value), plain)

    def test_values_without_a_plain_json_form_are_refused_with_the_next_step(self) -> None:
        circular: list = []
        circular.append(circular)
        deep: list = []
        for _ in range(100_000):
            deep = [deep]
        for value, said in [
            (float("nan"), "NaN or Infinity, which is no JSON: give None in its place"),
            ({"scores": [float("-inf")]}, "NaN or Infinity"),
            ({1, 2}, r"a set, which is no JSON: give sorted"),
            (decimal.Decimal("1.5"), "a decimal.Decimal"),
            ({"picture": b"abc"}, "a bytes, which is no JSON: give bytes alone, or as base64 text"),
            (Frame(), r"Frame, which is no JSON: give its to_json\(\), or to_dict\(\)"),
            ({(1, 2): 3}, "keys must be str"),
            (2**53, "the integer 9007199254740992, which JSON does not carry exactly: give it as a string"),
            ({"id": [-(2**64)]}, "the integer -18446744073709551616"),
            (circular, "the value holds itself"),
            (deep, "nested too deep"),
            ((one for one in [1]), "a generator: write yield in the bee itself"),
        ]:
            with self.subTest(said=said), self.assertRaisesRegex(BadResult, said):
                self.result(value)

    def test_a_second_source_of_a_result_is_an_error(self) -> None:
        def both(swarm, payload, context):
            swarm.publish(1, context)
            return 2

        def twice(swarm, payload, context):
            swarm.publish(1)
            swarm.publish(2)

        def answered_twice(swarm, payload, context):
            swarm.respond(1)
            swarm.respond(2)

        for bee, said in [(both, "returned a value and called"), (twice, "publish was called twice"), (answered_twice, "respond was called twice")]:
            with self.subTest(said=said), self.assertRaisesRegex(WaggleError, said):
                DevSwarm().call(bee, 1)

    def test_publishing_without_a_request_is_an_error(self) -> None:
        with self.assertRaisesRegex(WaggleError, "no request runs here: pass the context"):
            Swarm().publish(1)
        context = Context("r")
        with self.assertRaisesRegex(WaggleError, "no request runs here"):
            Swarm().respond(1, context)

    def test_each_way_to_refuse_raises_refused(self) -> None:
        def by_swarm(swarm, payload, context):
            swarm.refuse("no face", context)

        def by_function(payload):
            refuse("no face")

        def by_exception(payload):
            raise Refused("no face")

        for bee in (by_swarm, by_function, by_exception):
            with self.subTest(bee=bee.__name__), self.assertRaisesRegex(Refused, "^no face$"):
                DevSwarm().call(bee, 1)

    def test_the_context_has_headers_deadline_and_cancellation(self) -> None:
        seen = []
        DevSwarm().call(lambda payload, context: seen.append(context), 1, headers={"traceparent": "00-1"}, timeout_seconds=60)
        (context,) = seen
        self.assertEqual((context.request_id, context.attempt, context.headers), ("request-1", 1, {"traceparent": "00-1"}))
        self.assertEqual((context.traceparent, context.baggage), ("00-1", None))
        self.assertTrue(50 < context.remaining_seconds() <= 60)
        context.raise_if_cancelled()
        self.assertFalse(context.cancelled)
        context.cancel()
        self.assertTrue(context.cancelled)
        self.assertIsNone(Context("r").remaining_seconds())
        self.assertTrue(Context("r", deadline=1).cancelled)


class Coroutines(unittest.TestCase):
    def test_a_coroutine_runs_in_a_notebook_with_a_running_event_loop(self) -> None:
        async def bee(swarm, payload, context):
            await asyncio.sleep(0)
            swarm.publish(payload * 2)

        async def cell() -> object:
            return DevSwarm().call(bee, 21)

        self.assertEqual((DevSwarm().call(bee, 21), asyncio.run(cell())), (42, 42))


class Batches(unittest.TestCase):
    def test_a_bee_that_takes_batches_gets_a_list_and_returns_a_list(self) -> None:
        @register_bee(name="lengths", batch=True)
        def lengths(texts, contexts):
            return [[len(text), context.request_id] for text, context in zip(texts, contexts)]

        self.assertEqual(DevSwarm().call(lengths, ["a", "bcd"]), [[1, "request-1"], [3, "request-2"]])

    def test_another_number_of_results_is_refused(self) -> None:
        for at, (value, said) in enumerate([([1], "got 2 payloads and returned 1 results"), (5, "returned int: return a list"), ("ab", "returned str")]):
            with self.subTest(value=value), self.assertRaisesRegex(BadResult, said):
                DevSwarm().call(register_bee(name=f"wrong{at}", batch=True)(lambda payloads, value=value: value), [1, 2])


if __name__ == "__main__":
    unittest.main()
