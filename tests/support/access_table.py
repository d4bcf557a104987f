"""What every method is asked in tests of access, who is bound to what, and what is to come of it."""

from __future__ import annotations

from typing import Any

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from kuntur.api.v1 import history_service_pb2, model_service_pb2, outcome_pb2, outcome_service_pb2
from kuntur.values import time_to_proto
from server.access.roles import DATA, RULES, Role
from tests.support.serving import EVENT_TIME, frame, transaction, unary

REQUESTS: dict[str, Any] = {
    "ScoreTransaction": unary(transaction("t-1")),
    "ScoreStream": frame(transaction("t-2")),
    "ReportOutcomes": outcome_service_pb2.ReportOutcomesRequest(
        outcomes=[
            outcome_pb2.Outcome(
                transaction_id="t-1",
                label=outcome_pb2.OUTCOME_LABEL_FRAUD,
                reported_time=time_to_proto(EVENT_TIME),
            )
        ]
    ),
    "Backfill": history_service_pb2.BackfillRequest(transactions=[transaction("t-3")]),
    "ListModels": model_service_pb2.ListModelsRequest(),
    "GetModel": model_service_pb2.GetModelRequest(model_version="m-1"),
    "GetLiveModel": model_service_pb2.GetLiveModelRequest(),
    "Check": health_pb2.HealthCheckRequest(),
    "List": health_pb2.HealthListRequest(),
    "Watch": health_pb2.HealthCheckRequest(),
    "ServerReflectionInfo": reflection_pb2.ServerReflectionRequest(list_services=""),
}


def binding_of(role: Role) -> str:
    """Returns the binding of the identities of a role."""
    institutions = 'institutions = ["*"]' if role in DATA else ""
    names = f'"token:{role}", "spiffe://andino.pe/{role}/*", "dn:CN={role},O=Banco Andino"'
    return f'[[binding]]\nidentities = [{names}]\nroles = ["{role}"]\n{institutions}\n'


BINDINGS = "".join(map(binding_of, Role))
"""For each role an identity of each kind that has no other."""


def expected(method: str, role: Role) -> str:
    """Returns what the table says of a method for whoever has one role."""
    wanted = RULES[method].role
    return "OK" if wanted is None or wanted is role else "ROLE_MISSING"
