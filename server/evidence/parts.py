"""Parts of evidence that say what the journal says: the request, the answer, what came later."""

from __future__ import annotations

from kuntur.scores import Reason
from server.evidence import document, messages
from server.evidence.messages import time_of
from server.evidence.rebuilding import plain_reason
from server.evidence.search import Found, Given, Reported, Seen

_METHODS = {"SCORE_TRANSACTION": "ScoreTransaction", "SCORE_STREAM": "ScoreStream"}


def summary(asked: Seen, given: Given | None) -> list[str]:
    """Returns what was asked and answered, in sentences."""
    by = f"by {asked.caller}" if asked.caller else "by a caller who was not identified"
    lines = [
        f"On {time_of(asked.time)} the server was asked {by} for a score of the transaction "
        f"(entry {asked.sequence:,} of its journal)."
    ]
    if given is None:
        lines.append(
            "No answer is in the journal: the server died before it answered, the model gave no valid "
            "score, or the answer is not in the files yet."
        )
        return lines
    score = given.score
    lines.append(
        f"It answered {messages.decision_name(score.decision)} with a probability of fraud of "
        f"{score.fraud_probability!r} (entry {given.sequence:,}), by the model {score.model_version}."
    )
    if given.admission != asked.sequence:
        lines.append(
            "The first request was not answered with a score; the answer was given when the transaction "
            f"came again (entry {given.admission:,})."
        )
    return lines


def asked_part(asked: Seen) -> document.Asked:
    """Returns the request."""
    return document.Asked(
        time=time_of(asked.time),
        caller=asked.caller or None,
        method=_METHODS[asked.kind.name],
        reasons_mode=messages.mode_of(asked.request),
        entry=asked.sequence,
        place=asked.place,
        transactions_in_entry=asked.count,
        transaction=messages.plain(asked.transaction),
    )


def answered_part(given: Given) -> document.Answered:
    """Returns the answer."""
    score = given.score
    return document.Answered(
        time=time_of(given.time),
        entry=given.sequence,
        admission=given.admission,
        fraud_probability=score.fraud_probability,
        decision=messages.decision_name(score.decision),
        reasons=tuple(
            plain_reason(Reason(each.feature, each.value, each.contribution, each.description))
            for each in score.reasons
        ),
        model_version=score.model_version,
    )


def again_part(seen: Seen, asked: Seen, found: Found) -> document.Again:
    """Returns a later request, and what became of it."""
    given = found.answers.get((seen.sequence, seen.place))
    if seen.refused:
        became = "It was refused."
    elif given is not None and given is found.answer:
        became = "It got the answer above, the first one."
    elif given is not None and given.score.replayed:
        became = "It got the first answer again."
    elif given is not None:
        became = (
            f"The server did not know it any more and scored it anew: "
            f"{messages.decision_name(given.score.decision)}, {given.score.fraud_probability!r} "
            f"(entry {given.sequence:,})."
        )
    elif seen.transaction != asked.transaction:
        became = "It was another transaction with the same id, and was refused as such."
    else:
        became = "No answer to it is in the journal."
    return document.Again(
        entry=seen.sequence, time=time_of(seen.time), caller=seen.caller or None, became=became
    )


def roles(asked: Seen, given: Given | None) -> dict[int, str]:
    """Returns what each entry of the evidence is, by its sequence."""
    roles = {asked.sequence: "the request"}
    if given is not None:
        if given.admission != asked.sequence:
            roles[given.admission] = "the request that was answered"
        roles[given.sequence] = "the answer"
    return roles


def holds(asked: Seen, given: Given | None) -> dict[int, list[bytes]]:
    """Returns the messages that stand in the entries, by their sequences."""
    holds = {asked.sequence: [] if asked.raw is None else [asked.raw]}
    if given is not None and given.raw is not None:
        holds[given.sequence] = [given.raw]
    return holds


def outcome_part(reported: Reported) -> document.Outcome:
    """Returns an outcome that was reported."""
    return document.Outcome(
        label=messages.label_name(reported.outcome.label),
        reported_time=time_of(reported.outcome.reported_time),
        entry=reported.sequence,
        time=time_of(reported.time),
        caller=reported.caller or None,
        refused=reported.refused,
    )
