"""The kernel that server, trainer and clients share: transactions, features, wire, tables, bundles."""

from kuntur.compiled import choose_places
from kuntur.telemetry import switch_off

switch_off()  # before ONNX Runtime, Ray or MLflow can be loaded
choose_places()
