"""The tests of the bee. `DevSwarm.call` calls it as a running swarm does."""

import pytest
from waggle import DevSwarm, Refused

from {{module}} import greet


def test_greets_a_name():
    assert DevSwarm().call(greet, {"name": "Bea"}, spec={"greeting": "Welcome"}) == {"text": "Welcome, Bea!"}


def test_refuses_an_input_without_a_name():
    with pytest.raises(Refused):
        DevSwarm().call(greet, {})
