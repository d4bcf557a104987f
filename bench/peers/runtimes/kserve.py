"""KServe's Python model server with the model as a custom predictor."""

from __future__ import annotations

import logging

import kserve

from bench.peers.runtimes.onnx_model import NAME, OUTPUT, OnnxModel, arguments
from bench.peers.runtimes.ports import free_ports


class Trees(kserve.Model):  # type: ignore[misc]  # KServe is not in the environment that is checked
    """Decodes to NumPy, infers, encodes."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._model = OnnxModel(arguments()[0])
        self.ready = True

    def predict(
        self, payload: kserve.InferRequest, headers: dict[str, str] | None = None
    ) -> kserve.InferResponse:
        """Returns the probabilities."""
        del headers
        probabilities = self._model.infer(payload.inputs[0].as_numpy())
        output = kserve.InferOutput(OUTPUT, list(probabilities.shape), "FP32")
        output.set_data_from_numpy(probabilities)
        return kserve.InferResponse(payload.id, NAME, [output], use_binary_outputs=True)


if __name__ == "__main__":
    model = Trees()
    (http_port,) = free_ports(1)
    server = kserve.ModelServer(
        http_port=http_port, grpc_port=arguments()[1], enable_latency_logging=False, grace_period=1
    )
    logging.getLogger("kserve").setLevel(logging.WARNING)  # below that is a line for each request
    server.start([model])
