from __future__ import annotations

import json
import subprocess
import sys

FORBIDDEN = ("ray", "xgboost", "sklearn", "polars", "pandas", "onnx", "skl2onnx", "optuna")


def modules_after(statement: str) -> list[str]:
    code = f"{statement}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout))


def test_the_server_loads_no_training_library() -> None:
    assert not set(FORBIDDEN) & set(modules_after("import server.app"))


def test_help_loads_neither_grpc_nor_the_runtime() -> None:
    assert not {"grpc", "onnxruntime", "numba"} & set(modules_after("import server.cli.app"))


def test_the_use_cases_know_no_grpc() -> None:
    statement = "import server.scoring, server.models, server.state, server.journal, server.errors"
    assert "grpc" not in modules_after(statement)


def test_the_supervisor_loads_neither_grpc_nor_the_runtime() -> None:
    statement = "import server.workers.supervisor, server.state, server.errors, server.compiling"
    assert not {"grpc", "onnxruntime"} & set(modules_after(statement))
