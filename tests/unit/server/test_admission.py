from __future__ import annotations

import pytest

from server.errors import OverloadedError, ShuttingDownError
from server.rpc.admission import Gate


def test_a_gate_lets_in_as_many_as_its_limit_and_again_when_they_left() -> None:
    gate = Gate("calls", 2)
    with gate, gate:
        with pytest.raises(OverloadedError) as caught, gate:
            pass
        assert (caught.value.resource, caught.value.limit) == ("calls", 2)
        assert gate.inside == 2
    assert gate.inside == 0
    with gate:
        pass


def test_an_error_inside_frees_the_place() -> None:
    gate = Gate("calls", 1)
    with pytest.raises(ValueError, match="inside"), gate:
        raise ValueError("inside")
    assert gate.inside == 0


def test_a_closed_gate_lets_nobody_in_and_whoever_is_in_leaves() -> None:
    gate = Gate("streams", 2)
    with gate:
        gate.close()
        with pytest.raises(ShuttingDownError), gate:
            pass
    assert gate.inside == 0
