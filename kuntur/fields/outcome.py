"""Every field of an outcome, declared once, as those of a transaction are in `kuntur.fields.transaction`."""

from __future__ import annotations

from kuntur.fields.kinds import Choice, Field, Moment, Text
from kuntur.fields.transaction import EARLIEST_S, LATEST_S, MAX_ID_BYTES
from kuntur.transaction import OutcomeLabel

TRANSACTION_ID = Text(
    name="transaction_id", number=1, meaning="The transaction.", required=True, max_bytes=MAX_ID_BYTES
)
INSTITUTION_ID = Text(
    name="institution_id",
    number=2,
    meaning="The institution of the transaction, as it was scored.",
    max_bytes=MAX_ID_BYTES,
)
LABEL = Choice(name="label", number=3, meaning="What it turned out to be.", required=True, enum=OutcomeLabel)
REPORTED_TIME = Moment(
    name="reported_time",
    number=4,
    meaning="When that became known; not before the transaction.",
    required=True,
    earliest_s=EARLIEST_S,
    latest_s=LATEST_S,
)

OUTCOME_FIELDS: tuple[Field, ...] = (TRANSACTION_ID, INSTITUTION_ID, LABEL, REPORTED_TIME)
