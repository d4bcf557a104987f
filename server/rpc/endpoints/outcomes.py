"""OutcomeService over bytes, since the journal keeps them as they came."""

from __future__ import annotations

import numpy as np
from google.protobuf.message import DecodeError

from kuntur.api.v1 import outcome_service_pb2
from kuntur.journal import entries
from kuntur.journal.entries import RequestKind
from kuntur.wire import MalformedError
from server.access import Caller
from server.errors import InstitutionForeignError, InvalidFieldsError, ServerError
from server.rpc.calls.edge import Edge
from server.rpc.endpoints.intake import Intake, identities
from server.scoring import OutcomeReports


class OutcomeEndpoint:
    """Answers ReportOutcomes."""

    def __init__(self, edge: Edge, intake: Intake, reports: OutcomeReports) -> None:
        self._edge = edge
        self._intake = intake
        self._reports = reports

    def report_outcomes(self, raw: bytes, caller: Caller) -> bytes:
        """Answers a serialised ReportOutcomesRequest."""
        outcomes, intake = _parse(raw).outcomes, self._intake
        intake.check_journal()
        intake.check_size(len(outcomes))
        own = [place for place, each in enumerate(outcomes) if caller.may_act_for(each.institution_id)]
        batch, good, violations = intake.reader.read_outcomes([outcomes[i] for i in own], intake.latest.us())
        places = np.array(own, dtype=np.int64)[good]
        failures: dict[int, ServerError] = {
            own[at]: InvalidFieldsError(found, f"outcomes[{own[at]}].") for at, found in violations.items()
        }
        foreign = {
            place: InstitutionForeignError(outcomes[place].institution_id)
            for place in set(range(len(outcomes))).difference(own)
        }
        self._edge.foreign(caller, [error.institution_id for error in foreign.values()], "ReportOutcomes")
        failures |= foreign
        entry = entries.admission(RequestKind.REPORT_OUTCOMES, [raw], sorted(failures), identities([caller]))
        refused, sequence = self._reports.take(batch, places, [o.transaction_id for o in outcomes], entry)
        failures |= refused
        response = outcome_service_pb2.ReportOutcomesResponse(accepted_count=len(outcomes) - len(failures))
        for place, error in sorted(failures.items()):
            response.failures.add(index=place, status=self._edge.table.status(error))
        self._edge.metrics.items_refused(len(failures))
        answer = response.SerializeToString()
        if sequence:
            told = entries.answer(RequestKind.REPORT_OUTCOMES, sequence, [answer])
            intake.journal.settle(self._reports.answered(told) or sequence)
        return answer


def _parse(raw: bytes) -> outcome_service_pb2.ReportOutcomesRequest:
    try:
        return outcome_service_pb2.ReportOutcomesRequest.FromString(raw)
    except DecodeError as error:
        raise MalformedError("the request is not a valid message of its type") from error
