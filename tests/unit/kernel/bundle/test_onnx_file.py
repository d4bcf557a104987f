from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kuntur.bundle.onnx_file import MAX_DEPTH, OnnxFileError, check_declared
from tests.support.bundles import constant_model, endless_model, huge_model, linear_model, onnx_model

WEIGHTS = (0.001, 0.1, 0.2, 1.0)


def tree_model() -> bytes:
    """Returns a model with an attribute of every kind of list."""
    node = helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["probability"], domain="ai.onnx.ml",
        nodes_values=[0.5] * 700, nodes_treeids=[1, 300, -7] * 200, nodes_modes=["BRANCH_LT"] * 300,
        matrix=numpy_helper.from_array(np.eye(3)), empty=numpy_helper.from_array(np.zeros((0, 7))),
    )  # fmt: skip
    return onnx_model([node], {"text": np.array(["a", "b"], dtype=object)}, 4)


@pytest.mark.parametrize(
    "model", [linear_model(WEIGHTS), constant_model(0.5, 4), endless_model(4), huge_model(4), tree_model()]
)
def test_what_a_model_holds_it_may_declare(model: bytes) -> None:
    check_declared(model)


@pytest.mark.parametrize(
    "kind", ["float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool", "complex64"]
)
@pytest.mark.parametrize("raw", [True, False])
def test_a_tensor_of_every_type_is_known_whichever_way_it_is_written(kind: str, raw: bool) -> None:
    values = np.array([0, 1, 1, 0, 1, 1]).astype(kind)
    number = helper.np_dtype_to_tensor_dtype(values.dtype)
    content = values.tobytes() if raw else values
    tensor = helper.make_tensor("t", number, [2, 3], content, raw=raw)
    model = onnx.load_from_string(linear_model(WEIGHTS))
    model.graph.initializer.append(tensor)
    check_declared(model.SerializeToString())
    model.graph.initializer[-1].dims[0] = 2_000_000_000
    with pytest.raises(OnnxFileError, match="declares 6,000,000,000 values and holds"):
        check_declared(model.SerializeToString())


def with_tensor(change: Callable[[TensorProto], object]) -> bytes:
    model = onnx.load_from_string(linear_model(WEIGHTS))
    change(model.graph.initializer[1])
    return bytes(model.SerializeToString())


def nested(graphs: int) -> bytes:
    model = onnx.load_from_string(linear_model(WEIGHTS))
    graph = model.graph
    for _ in range(graphs):
        attribute = graph.node.add(op_type="If").attribute.add(name="then_branch")
        graph = attribute.g
    return bytes(model.SerializeToString())


def external(tensor: TensorProto) -> None:
    tensor.data_location = TensorProto.EXTERNAL


def elsewhere(tensor: TensorProto) -> None:
    tensor.external_data.add(key="location", value="../../secret")


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (with_tensor(lambda t: t.dims.append(-1)), "has no shape"),
        (with_tensor(lambda t: t.dims.extend([1] * 100)), "has no shape"),
        (with_tensor(lambda t: t.dims.append(1 << 40)), "declares"),
        (with_tensor(lambda t: t.ClearField("raw_data")), "declares 4 values and holds 0"),
        (with_tensor(external), "lies in another file"),
        (with_tensor(elsewhere), "lies in another file"),
        (nested(40), f"nest more than {MAX_DEPTH}"),
        (linear_model(WEIGHTS) * 2, "a part twice"),
        (linear_model(WEIGHTS)[:-1], "no protobuf message"),
        (b"\x0b", "no protobuf message"),
        (b"\x08" + b"\xff" * 20, "no protobuf message"),
        (b"\x3a\xff\xff\xff\xff\x0f", "no protobuf message"),
        (b"\x3a", "no protobuf message"),
        (b"\xff", "no protobuf message"),
    ],
)
def test_a_model_that_claims_too_much_is_refused(model: bytes, told: str) -> None:
    with pytest.raises(OnnxFileError, match=told):
        check_declared(model)


def test_a_sparse_tensor_is_refused() -> None:
    model = onnx.load_from_string(linear_model(WEIGHTS))
    model.graph.sparse_initializer.add().dims.append(1 << 40)
    with pytest.raises(OnnxFileError, match="sparse"):
        check_declared(model.SerializeToString())


def test_whatever_bytes_there_are_it_ends_with_a_sentence_or_without() -> None:
    chance, whole = random.Random(7), bytearray(tree_model())
    for _ in range(2_000):
        content = whole.copy()
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        end = chance.choice([len(content), chance.randrange(len(content))])
        with contextlib.suppress(OnnxFileError):  # and nothing else
            check_declared(bytes(content[:end]))
