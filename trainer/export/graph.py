"""The served graph: raw margin by the model's own operators, calibration behind it."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from trainer.calibration import Calibration
from trainer.models.base import FittedModel

_OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
_IR_VERSION = 9  # the first that holds opset 18, so that older runtimes can read it


def build_onnx(model: FittedModel, calibration: Calibration, columns: int) -> bytes:
    """Gives the ONNX model: `features` float32 [n, columns] to `probability` float32 [n]."""
    margin = model.graph()
    nodes, constants = calibration.nodes()
    return _serialise(margin.nodes + nodes, margin.initializers + constants, columns, "probability", [None])


def build_tree_values(model: FittedModel, columns: int, trees: int) -> bytes:
    """Gives a graph whose output is what each tree adds, float32 [n, trees]: the same nodes, unsummed."""
    margin = model.graph()
    nodes = []
    for node in margin.nodes:
        if node.op_type == "TreeEnsembleRegressor":
            _unsum(node, trees)
        if node.output[0] != "margin":
            nodes.append(node)
    nodes.append(helper.make_node("Identity", ["tree_sum"], ["tree_values"]))
    return _serialise(nodes, margin.initializers, columns, "tree_values", [None, trees])


def _unsum(node: onnx.NodeProto, trees: int) -> None:
    attributes = {attribute.name: attribute for attribute in node.attribute}
    attributes["n_targets"].i = trees
    tree_numbers = list(attributes["target_treeids"].ints)
    del attributes["target_ids"].ints[:]
    attributes["target_ids"].ints.extend(tree_numbers)
    if "base_values" in attributes:
        node.attribute.remove(attributes["base_values"])


def _serialise(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    columns: int,
    output: str,
    shape: list[int | None],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "kuntur",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION, producer_name="kuntur")
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised
