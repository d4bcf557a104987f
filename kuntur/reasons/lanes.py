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
        """Gives what stands in one argument from the place on that another one tells."""
        return self._builder.load(self._place(array, at), align=8)

    def store(self, value: Any, array: int, at: int) -> None:
        """Writes there."""
        self._builder.store(value, self._place(array, at), align=8)

    def same(self, number: Any) -> Any:
        """Gives a number four times."""
        first = self._builder.insert_element(ir.Constant(_FOUR, ir.Undefined), number, _INDEX(0))
        return self._builder.shuffle_vector(
            first, first, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES)
        )

    def sum(self, value: Any) -> Any:
        """Gives the sum of four numbers."""
        lanes = [self._builder.extract_element(value, _INDEX(lane)) for lane in range(LANES)]
        add = self._builder.fadd
        return add(add(lanes[0], lanes[1]), add(lanes[2], lanes[3]))

    def _place(self, array: int, at: int) -> Any:
        kind = self._context.make_array(self._signature.args[array])
        data = kind(self._context, self._builder, self._arguments[array]).data
        return self._builder.bitcast(self._builder.gep(data, [self._arguments[at]]), _FOUR.as_pointer())


@intrinsic
def descend(typing_context, reach, inverse, weight, rest, points, k, n, p, s, o, z):  # noqa: ARG001 - numba's
    """Writes what the way to a node has at four points, from k on.

    factor = z rest[k] + o points[k]; inverse[n] = 1 / factor; reach[n] = reach[p] factor inverse[s];
    weight[n] = (o - z) inverse[n].
    """

    def generate(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        o, z = arguments[9], arguments[10]
        tiny = lanes.same(ir.Constant(_DOUBLE, _TINY))
        factor = builder.fadd(
            builder.fmul(lanes.same(z), lanes.load(3, 5)), builder.fmul(lanes.same(o), lanes.load(4, 5))
        )
        factor = builder.fadd(factor, tiny)
        one = builder.fdiv(lanes.same(ir.Constant(_DOUBLE, 1.0)), factor)
        product = builder.fmul(builder.fmul(lanes.load(0, 7), factor), lanes.load(1, 8))
        lanes.store(one, 1, 6)
        lanes.store(product, 0, 6)
        lanes.store(builder.fmul(lanes.same(builder.fsub(o, z)), one), 2, 6)
        return context.get_dummy_value()

    return types.void(reach, inverse, weight, rest, points, k, n, p, s, o, z), generate


@intrinsic
def ascend(typing_context, below, reach, weight, weights, k, n, p, s, leaf):  # noqa: ARG001 - numba's
    """Takes what lies below a node to its parent, at four points; gives what the node's feature adds.

    found = below[n] + reach[n] leaf weights[k]; below[p] += found; below[n] = 0. Gives the sum of
    found (weight[n] - weight[s]).
    """

    def generate(context, builder, signature, arguments):
        lanes = _Lanes(context, builder, signature, arguments)
        add, multiply = builder.fadd, builder.fmul
        own = multiply(multiply(lanes.load(1, 5), lanes.same(arguments[8])), lanes.load(3, 4))
        found = add(lanes.load(0, 5), own)
        given = multiply(found, builder.fsub(lanes.load(2, 5), lanes.load(2, 7)))
        lanes.store(add(lanes.load(0, 6), found), 0, 6)
        lanes.store(lanes.same(ir.Constant(_DOUBLE, 0.0)), 0, 5)
        return lanes.sum(given)

    return types.float64(below, reach, weight, weights, k, n, p, s, leaf), generate


_TINY = 1e-300  # instead of a factor of 0, where no training row took a branch
