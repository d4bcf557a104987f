"""Four numbers at a time, for the inner loops of TreeSHAP.

Numba makes one instruction of four only where it can prove that arrays do not overlap, which it cannot here;
so these loops are spelt out. Each number comes out to the same bits as it would alone.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 4
_DOUBLE, _INDEX = ir.DoubleType(), ir.IntType(32)
_FOUR = ir.VectorType(_DOUBLE, LANES)


class _Lanes:
    """Writes loads, stores and constants of four numbers. Arrays are float64 [n], in C order."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self._context, self._builder = context, builder
        self._signature, self._arguments = signature, arguments

    def load(self, array: int, at: int) -> Any:
        """Returns what stands in one argument from the place on that another one tells."""
        return self._builder.load(self._place(array, at), align=8)

    def store(self, value: Any, array: int, at: int) -> None:
        """Writes there."""
        self._builder.store(value, self._place(array, at), align=8)

    def same(self, number: Any) -> Any:
        """Returns a number four times."""
        first = self._builder.insert_element(ir.Constant(_FOUR, ir.Undefined), number, _INDEX(0))
        return self._builder.shuffle_vector(
            first, first, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        )

    def sum(self, value: Any) -> Any:
        """Returns the sum of four numbers."""
        lanes = [self._builder.extract_element(value, _INDEX(lane)) for lane in range(LANES)]
        add = self._builder.fadd
        return add(add(lanes[0], lanes[1]), add(lanes[2], lanes[3]))

    def _place(self, array: int, at: int) -> Any:
        kind = self._context.make_array(self._signature.args[array])
        data = kind(self._context, self._builder, self._arguments[array]).data
        return self._builder.bitcast(self._builder.gep(data, [self._arguments[at]]), _FOUR.as_pointer())


@intrinsic
def descend(
    typing_context,  # noqa: ARG001 - numba's
    reach, inverse, weight, rest, points, k, n, left, right, same, o_left, o_right, z_left, z_right,
):  # fmt: skip
    """Writes what the ways to both branches of a node have at four points, from k on.

    factor = z rest[k] + o points[k] of each; inverse = 1 / factor; weight = (o - z) inverse;
    reach = reach[n] inverse[same] factor.
    """

    def generate(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        add, multiply = builder.fadd, builder.fmul
        rest_here, points_here = lanes.load(3, 5), lanes.load(4, 5)
        tiny, one = (lanes.same(ir.Constant(_DOUBLE, number)) for number in (_TINY, 1.0))
        others = multiply(lanes.load(0, 6), lanes.load(1, 9))
        for at, o, z in ((7, arguments[10], arguments[12]), (8, arguments[11], arguments[13])):
            factor = add(multiply(lanes.same(z), rest_here), multiply(lanes.same(o), points_here))
            factor = add(factor, tiny)
            inverse = builder.fdiv(one, factor)
            lanes.store(multiply(others, factor), 0, at)
            lanes.store(inverse, 1, at)
            lanes.store(multiply(lanes.same(builder.fsub(o, z)), inverse), 2, at)
        return context.get_dummy_value()

    return types.void(
        reach, inverse, weight, rest, points, k, n, left, right, same, o_left, o_right, z_left, z_right
    ), generate


@intrinsic
def ascend(typing_context, reach, weight, n, left, right, same, v_left, v_right):  # noqa: ARG001 - numba's
    """Sums what lies below both branches of a node, at four points; gives what its feature adds.

    below = reach v of each; reach[n] = the sum of both. Gives the sum of below (weight - weight[same]).
    """

    def generate(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        add, multiply = builder.fadd, builder.fmul
        below_left = multiply(lanes.load(0, 3), lanes.same(arguments[6]))
        below_right = multiply(lanes.load(0, 4), lanes.same(arguments[7]))
        lanes.store(add(below_left, below_right), 0, 2)
        earlier = lanes.load(1, 5)
        return lanes.sum(
            add(
                multiply(below_left, builder.fsub(lanes.load(1, 3), earlier)),
                multiply(below_right, builder.fsub(lanes.load(1, 4), earlier)),
            )
        )

    return types.float64(reach, weight, n, left, right, same, v_left, v_right), generate


_TINY = 1e-300  # instead of a factor of 0, where no training row took a branch
