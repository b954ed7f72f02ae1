import unittest

import waggle.bee
from waggle import BadBee, DevSwarm, register_bee


class RegisterBee(unittest.TestCase):
    def tearDown(self) -> None:
        waggle.bee._bees.clear()

    def test_register_bee_leaves_the_function_unchanged(self) -> None:
        def double(payload):
            return payload * 2

        self.assertIs(register_bee(name="double")(double), double)
        self.assertIs(register_bee(double), double)
        self.assertEqual(waggle.bee.bee_names(), ["double"])

    def test_a_package_bee_declares_a_spec_and_reads_it_from_the_context(self) -> None:
        @register_bee(summary="Multiplies.", delivery="It only computes.", spec={"type": "object"}, examples=[{"factor": 3}])
        def multiply(payload, context):
            return payload * context.spec.get("factor", 1)

        bee = waggle.bee.bee_named("multiply")
        assert bee is not None
        self.assertEqual((bee.declaration.summary, bee.declaration.spec), ("Multiplies.", {"type": "object"}))
        self.assertEqual(DevSwarm().call(multiply, 7, spec={"factor": 3}), 21)
        self.assertEqual(DevSwarm().call(multiply, 7), 7)

    def test_a_bee_takes_payload_context_and_swarm_in_the_forms_of_the_documentation(self) -> None:
        class Predictor:
            def predict(self, payload):
                return ["method", payload]

            def __call__(self, payload, context):
                return ["object", payload, context.request_id]

        async def coroutine(payload):
            return ["coroutine", payload]

        forms = [
            (lambda payload: ["payload", payload], ["payload", 7]),
            (lambda anything: ["payload", anything], ["payload", 7]),
            (lambda payload, context: [payload, context.request_id], [7, "request-1"]),
            (lambda payload, context=None: [payload, context.request_id], [7, "request-1"]),
            (lambda payload, *, context: [payload, context.request_id], [7, "request-1"]),
            (lambda payload, threshold=0.5: [payload, threshold], [7, 0.5]),
            (lambda payload=None: payload, 7),
            (lambda swarm, payload: swarm.publish(payload), 7),
            (lambda swarm, payload, context: swarm.publish([payload, context.request_id]), [7, "request-1"]),
            (lambda s, p, c: s.publish([p, c.request_id], c), [7, "request-1"]),
            (lambda s, p, c, more=3: s.publish([p, more], c), [7, 3]),
            (lambda *everything: len(everything), 3),
            (Predictor().predict, ["method", 7]),
            (Predictor(), ["object", 7, "request-1"]),
            (coroutine, ["coroutine", 7]),
        ]
        for function, result in forms:
            with self.subTest(result=result):
                self.assertEqual(DevSwarm().call(function, 7), result)

    def test_a_function_that_cannot_be_a_bee_is_refused_with_its_place(self) -> None:
        def parts(payload):
            yield payload

        async def more_parts(payload):
            yield payload

        bad = [lambda: 1, lambda a, b, c, d: 1, lambda payload, *, model: 1]
        for function in bad:
            with self.subTest(function=function), self.assertRaisesRegex(BadBee, r"^test_register_bee\.py:\d+: the bee bad "):
                register_bee(name="bad")(function)
        for function in (parts, more_parts):
            with self.subTest(function=function), self.assertRaisesRegex(BadBee, r"^test_register_bee\.py:\d+: the bee bad takes batches and is a generator"):
                register_bee(name="bad", batch=True)(function)
        with self.assertRaisesRegex(BadBee, "Predictor is a class; a bee is a function"):
            register_bee(type("Predictor", (), {"__call__": lambda self, payload: 1}))
        for name in ("", 7, ["a"]):
            with self.subTest(name=name), self.assertRaises(BadBee):
                register_bee(name=name)
        self.assertEqual(waggle.bee.bee_names(), [])

    def test_two_functions_with_the_same_name_are_refused_but_a_cell_may_run_again(self) -> None:
        cell = "@register_bee(name='same')\ndef same(payload):\n    return 1\n"
        names = {"register_bee": register_bee, "__name__": "notebook"}
        exec(cell, names)
        exec(cell, names)
        with self.assertRaisesRegex(BadBee, r"the bee same is there already, at .*:\d+: give one of them another name"):
            register_bee(name="same")(lambda payload: 2)


if __name__ == "__main__":
    unittest.main()
