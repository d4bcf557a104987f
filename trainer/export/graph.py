"""The served graph: raw margin by the model's own operators, calibration behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from trainer.calibration import Calibration
from trainer.models.base import FittedModel

_OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
_IR_VERSION = 9  # the first that holds opset 18, so that older runtimes can read it


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The comparisons of an exported tree model, in the order of its nodes.

    column: int64 [m]; threshold: float32 [m]; unset_left: bool [m], whether unset values take the branch of
    those for which the comparison holds; modes: the kinds of comparison there are, as BRANCH_LT.
    """

    column: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    unset_left: npt.NDArray[np.bool_]
    modes: frozenset[str]


def build_onnx(model: FittedModel, calibration: Calibration, columns: int) -> bytes:
    """Returns the ONNX model: `features` float32 [n, columns] to `probability` and `margin`, float32 [n].

    The margin is there for those who check reasons against it; who does not ask for it does not pay for it.
    """
    margin = model.graph()
    nodes, constants = calibration.nodes()
    outputs = [_output("probability", [None]), _output("margin", [None])]
    return _serialise(margin.nodes + nodes, margin.initializers + constants, columns, outputs)


def build_tree_values(exported: bytes, trees: int) -> bytes:
    """Returns a graph whose output is what each tree adds, float32 [n, trees].

    exported: a tree model by `build_onnx`. Its own nodes up to the tree operator, unsummed, so that what is
    checked is what is served.
    """
    served = onnx.load_from_string(exported).graph
    (tree,) = [place for place, node in enumerate(served.node) if node.op_type == "TreeEnsembleRegressor"]
    nodes = list(served.node[: tree + 1])
    _unsum(nodes[tree], trees)
    nodes[tree].output[0] = "tree_values"
    used = {name for node in nodes for name in node.input}
    constants = [constant for constant in served.initializer if constant.name in used]
    columns = served.input[0].type.tensor_type.shape.dim[1].dim_value
    return _serialise(nodes, constants, columns, [_output("tree_values", [None, trees])])


def read_comparisons(exported: bytes) -> Comparisons:
    """Returns the comparisons of a tree model by `build_onnx`."""
    nodes = onnx.load_from_string(exported).graph.node
    (tree,) = [node for node in nodes if node.op_type == "TreeEnsembleRegressor"]
    found = {attribute.name: attribute for attribute in tree.attribute}
    modes = [mode.decode() for mode in found["nodes_modes"].strings]
    inner = np.array([mode != "LEAF" for mode in modes], dtype=np.bool_)
    columns = np.array(found["nodes_featureids"].ints, dtype=np.int64)
    thresholds = np.array(found["nodes_values"].floats, dtype=np.float32)
    unset_left = np.zeros(len(modes), dtype=np.bool_)  # the operator's default where it says nothing
    if "nodes_missing_value_tracks_true" in found:
        unset_left[:] = np.array(found["nodes_missing_value_tracks_true"].ints, dtype=np.bool_)
    return Comparisons(
        columns[inner], thresholds[inner], unset_left[inner], frozenset(modes) - frozenset(["LEAF"])
    )


def _unsum(node: onnx.NodeProto, trees: int) -> None:
    attributes = {attribute.name: attribute for attribute in node.attribute}
    attributes["n_targets"].i = trees
    tree_numbers = list(attributes["target_treeids"].ints)
    del attributes["target_ids"].ints[:]
    attributes["target_ids"].ints.extend(tree_numbers)
    if "base_values" in attributes:
        node.attribute.remove(attributes["base_values"])


def _output(name: str, shape: list[int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _serialise(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    columns: int,
    outputs: list[onnx.ValueInfoProto],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "kuntur",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, columns])],
        outputs,
        constants,
    )
    model = helper.make_model(graph, opset_imports=_OPSETS, ir_version=_IR_VERSION, producer_name="kuntur")
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised
