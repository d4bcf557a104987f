"""PyTriton: Triton Inference Server with the model as a bound callable; it batches calls, as it comes."""

from __future__ import annotations

import os
import signal
import sysconfig
from threading import Event

import numpy as np
import numpy.typing as npt
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from bench.peers.runtimes.onnx_model import INPUT, NAME, OUTPUT, OnnxModel, arguments
from bench.peers.runtimes.ports import free_ports

_MOST_ROWS = 512


def main() -> None:
    """Serves until SIGTERM: Triton is a program of its own, which has to be stopped."""
    # Triton runs Python code in a program of its own, which must find the library of this very interpreter:
    # that of another patch release does not fit the modules that it then reads.
    os.environ["LD_LIBRARY_PATH"] = sysconfig.get_config_var("LIBDIR")
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    path, grpc_port = arguments()
    model = OnnxModel(path)

    def infer(features: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        return {OUTPUT: model.infer(features)[:, np.newaxis]}

    http_port, metrics_port = free_ports(2)
    config = TritonConfig(
        grpc_address="127.0.0.1",
        grpc_port=grpc_port,
        http_address="127.0.0.1",
        http_port=http_port,
        metrics_port=metrics_port,
    )
    with Triton(config=config) as triton:
        triton.bind(
            NAME,
            infer_func=batch(infer),
            inputs=[Tensor(name=INPUT, dtype=np.float32, shape=(model.columns,))],
            outputs=[Tensor(name=OUTPUT, dtype=np.float32, shape=(1,))],
            config=ModelConfig(max_batch_size=_MOST_ROWS),
        )
        triton.run()
        stopped.wait()


if __name__ == "__main__":
    main()
