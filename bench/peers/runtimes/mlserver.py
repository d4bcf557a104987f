"""MLServer with the model as a custom runtime, in one process."""

from __future__ import annotations

import asyncio

import mlserver
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver.utils import install_uvloop_event_loop

from bench.peers.runtimes.onnx_model import NAME, OUTPUT, OnnxModel, arguments
from bench.peers.runtimes.ports import free_ports


class Trees(mlserver.MLModel):  # type: ignore[misc]  # MLServer is not in the environment that is checked
    """Decodes to NumPy, infers, encodes."""

    async def load(self) -> bool:
        """Opens the model."""
        self._model = OnnxModel(arguments()[0])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Returns the probabilities."""
        features = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output(OUTPUT, self._model.infer(features))
        return InferenceResponse(model_name=self.name, outputs=[output])


async def _serve() -> None:
    http_port, metrics_port = free_ports(2)
    settings = mlserver.Settings(
        host="127.0.0.1",
        grpc_port=arguments()[1],
        http_port=http_port,
        metrics_port=metrics_port,
        parallel_workers=0,  # a process of its own for the model would only pass tensors about on one core
        debug=False,  # which logs each request
        load_models_at_startup=False,
    )
    await mlserver.MLServer(settings).start([mlserver.ModelSettings(name=NAME, implementation=Trees)])


if __name__ == "__main__":
    install_uvloop_event_loop()  # as MLServer's command does
    asyncio.run(_serve())
