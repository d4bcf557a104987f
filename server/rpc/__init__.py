"""The edge: gRPC in, gRPC out, nothing decided here."""

from server.rpc.admission.gates import Admission
from server.rpc.calls.edge import Edge
from server.rpc.calls.lifetime import Lifetimes
from server.rpc.calls.transport import TransportSettings
from server.rpc.choice import chosen_transport
from server.rpc.credentials import listening
from server.rpc.endpoints.answering import Answering
from server.rpc.endpoints.health import Health
from server.rpc.endpoints.history import HistoryEndpoint
from server.rpc.endpoints.intake import Intake, LatestTime
from server.rpc.endpoints.models import ModelEndpoint
from server.rpc.endpoints.outcomes import OutcomeEndpoint
from server.rpc.endpoints.scoring import ScoringEndpoint
from server.rpc.errors import ErrorTable
from server.rpc.server import RpcServer, Services
from server.rpc.stand_in import StandInServer
from server.rpc.warm_up import compile_hot_path

__all__ = [
    "Admission",
    "Answering",
    "Edge",
    "ErrorTable",
    "Health",
    "HistoryEndpoint",
    "Intake",
    "LatestTime",
    "Lifetimes",
    "ModelEndpoint",
    "OutcomeEndpoint",
    "RpcServer",
    "ScoringEndpoint",
    "Services",
    "StandInServer",
    "TransportSettings",
    "chosen_transport",
    "compile_hot_path",
    "listening",
]
