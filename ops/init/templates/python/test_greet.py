"""The tests of the bee. `DevSwarm.call` calls the bee as a running swarm does."""

import unittest

from greet import greet
from waggle import DevSwarm, Refused


class GreetTest(unittest.TestCase):
    def test_greets_by_name(self):
        self.assertEqual(DevSwarm().call(greet, {"name": "bear"}), {"greeting": "Hello, bear!"})

    def test_refuses_an_input_without_a_name(self):
        with self.assertRaises(Refused):
            DevSwarm().call(greet, {})


if __name__ == "__main__":
    unittest.main()
