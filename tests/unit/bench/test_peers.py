"""What is sent to public model servers, read by protobuf itself, and the table that comes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from bench.load.h2load import Load
from bench.peers.measuring import Measured
from bench.peers.protocol import body, infer_request, probabilities
from bench.peers.table import figures, sheet

_Field = descriptor_pb2.FieldDescriptorProto
_TENSOR = {
    "name": (1, _Field.TYPE_STRING),
    "datatype": (2, _Field.TYPE_STRING),
    "shape": (3, _Field.TYPE_INT64),
    "contents": (5, "InferTensorContents"),
}
# As open_inference_grpc.proto has them; what is named as a message, and shapes and contents, are repeated.
_MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "InferTensorContents": {"fp32_contents": (6, _Field.TYPE_FLOAT)},
    "InferTensor": _TENSOR,
    "ModelInferRequest": {
        "model_name": (1, _Field.TYPE_STRING),
        "inputs": (5, "InferTensor"),
        "raw_input_contents": (7, _Field.TYPE_BYTES),
    },
    "ModelInferResponse": {
        "model_name": (1, _Field.TYPE_STRING),
        "id": (3, _Field.TYPE_STRING),
        "outputs": (5, "InferTensor"),
        "raw_output_contents": (6, _Field.TYPE_BYTES),
    },
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="peers.proto", package="inference", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            single = field in {"model_name", "id", "name", "datatype", "contents"}
            label = _Field.LABEL_OPTIONAL if single else _Field.LABEL_REPEATED
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".inference.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()


@pytest.mark.parametrize("rows", [1, 512])
def test_a_request_is_one_raw_tensor_of_the_features(rows: int) -> None:
    features = np.arange(rows * 144, dtype=np.float32).reshape(rows, 144)
    features[0, 3] = np.nan
    request = _CLASSES["ModelInferRequest"].FromString(infer_request(features))
    (tensor,) = request.inputs
    assert (request.model_name, tensor.name, tensor.datatype) == ("trees", "features", "FP32")
    assert list(tensor.shape) == [rows, 144]
    (contents,) = request.raw_input_contents
    np.testing.assert_array_equal(np.frombuffer(contents, np.float32).reshape(rows, 144), features)


def test_a_body_is_the_message_behind_its_length() -> None:
    assert body(b"abc") == b"\x00\x00\x00\x00\x03abc"


def test_probabilities_are_read_from_raw_contents() -> None:
    wanted = np.linspace(0, 1, 512, dtype=np.float32)
    response = _CLASSES["ModelInferResponse"](
        model_name="trees",
        id="one",
        outputs=[{"name": "probability", "datatype": "FP32", "shape": [512, 1]}],
        raw_output_contents=[wanted.tobytes()],
    )
    np.testing.assert_array_equal(probabilities(response.SerializeToString()), wanted)


def test_probabilities_are_read_from_contents_of_floats() -> None:
    output = {"name": "probability", "datatype": "FP32", "contents": {"fp32_contents": [0.25, 0.5]}}
    response = _CLASSES["ModelInferResponse"](outputs=[output])
    np.testing.assert_array_equal(probabilities(response.SerializeToString()), [0.25, 0.5])


def test_a_response_without_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match="no tensor"):
        probabilities(_CLASSES["ModelInferResponse"](model_name="trees").SerializeToString())


def _measured(lone: float, busy: float, rows: float) -> Measured:
    return Measured(
        Load(100, 100 / lone, np.full(100, 1 / lone)), Load(100, 100 / busy, np.full(100, 32 / busy)), rows
    )


def test_figures_are_medians_over_rounds() -> None:
    rounds = [_measured(500, 1_000, 9_000), _measured(400, 3_000, 8_000), _measured(250, 2_000, 7_000)]
    assert figures({"mlserver": rounds}) == pytest.approx(
        {
            "mlserver_1_per_s": 400,
            "mlserver_1_p50_ms": 2.5,
            "mlserver_32_per_s": 2_000,
            "mlserver_rows_per_s": 8_000,
        }
    )


def test_the_table_has_only_servers_that_were_measured() -> None:
    found = figures({"kuntur": [_measured(4_000, 20_000, 90_000)], "kserve": [_measured(500, 1_000, 9_000)]})
    table = sheet(found, {"kuntur": "Kuntur", "mlserver": "MLServer 1.0", "kserve": "KServe 1.0"})
    assert table.rows == [
        (
            "Kuntur",
            "history, features, model, decision",
            "4,000/s",
            "0.25 ms",
            "20,000/s",
            "90,000 rows/s",
        ),
        ("KServe 1.0", "model", "500/s", "2.00 ms", "1,000/s", "9,000 rows/s"),
    ]
    assert len(table.headings) == len(table.rows[0])
