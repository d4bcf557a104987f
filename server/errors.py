"""What can go wrong, in the server's own terms; `server.rpc.error_table` says what gRPC calls it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from kuntur.validation.messages import Violation


class ServerError(Exception):
    """An error that a caller is told about."""


class InvalidFieldsError(ServerError):
    """Fields of a request break their rules.

    violations: all of them, with field paths from the message that holds them; path: what stands
    before each path in the request.
    """

    def __init__(self, violations: Sequence[Violation], path: str = "") -> None:
        self.violations = [Violation(path + v.field, v.description) for v in violations]
        first, more = self.violations[0], len(violations) - 1
        super().__init__(f"{first.field} {first.description}" + (f" (and {more} more)" if more else ""))


class FrameSizeError(ServerError):
    """A request holds nothing, or more than the server takes."""

    def __init__(self, size: int, maximum: int) -> None:
        super().__init__(f"the request holds {size:,} items; 1 to {maximum:,} are allowed")
        self.maximum = maximum


class NoLiveModelError(ServerError):
    """No model is live yet."""

    def __init__(self) -> None:
        super().__init__("no model is live yet")


class ModelValueError(ServerError):
    """The live model returned no probability for a transaction, which the history counts nonetheless."""

    def __init__(self, model_version: str) -> None:
        super().__init__(f"model {model_version} gave no valid score for the transaction")
        self.model_version = model_version


class TransactionNotFoundError(ServerError):
    """The server does not know a transaction, or no longer."""

    def __init__(self, transaction_id: str) -> None:
        super().__init__("the transaction is not known, or no longer")
        self.transaction_id = transaction_id


class OutcomeConflictError(ServerError):
    """An outcome cannot be applied: it is dated before its transaction."""

    def __init__(self, transaction_id: str) -> None:
        super().__init__("the outcome is dated before its transaction")
        self.transaction_id = transaction_id


class ModelNotFoundError(ServerError):
    """The registry holds no such model."""

    def __init__(self, model_version: str) -> None:
        super().__init__("the registry holds no such model")
        self.model_version = model_version


class OverloadedError(ServerError):
    """As many calls or streams are open as the server takes, or calls have waited too long for their turn.

    standing: whether it is the wait; limit: the most that are taken at a time, in all or of one caller.
    """

    def __init__(
        self,
        resource: str,
        limit: int,
        scope: Literal["server", "caller"] = "server",
        *,
        standing: bool = False,
    ) -> None:
        where = "" if scope == "server" else " of one caller"
        super().__init__(
            f"{resource} have waited too long for the server to take more of them now"
            if standing
            else f"the server takes at most {limit:,} {resource}{where} at a time"
        )
        self.resource = resource
        self.limit = limit
        self.scope = scope


class DeadlinePassedError(ServerError):
    """The deadline of a call passed before work on it began."""

    def __init__(self) -> None:
        super().__init__("the deadline passed before work began")


class StreamExpiredError(ServerError):
    """A stream has reached its longest lifetime."""

    def __init__(self) -> None:
        super().__init__("the stream has reached its longest lifetime; open another")


class StreamDisplacedError(ServerError):
    """A stream on which nothing moved gave up its place to another."""

    def __init__(self) -> None:
        super().__init__("the stream was idle and another needed its place; open another")


class RequestTimeoutError(ServerError):
    """A caller took too long to send a request that it had begun, or to read its answer."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"the request did not come, or its answer was not read, within {timeout_s:g} s")


class HistoryUnavailableError(ServerError):
    """The history that several servers share cannot be used for now; nothing is counted in part."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the history that the servers share {why}; try again")


class JournalUnavailableError(ServerError):
    """The journal cannot be written for now; nothing was counted."""

    def __init__(self) -> None:
        super().__init__("the server cannot write its journal for now; nothing was counted, try again")


class ShuttingDownError(ServerError):
    """The server is shutting down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class IncidentError(ServerError):
    """The server failed unexpectedly; its log has the cause under an id."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(f"the server failed; its log has the cause under {incident_id}")
        self.incident_id = incident_id


class TransportError(Exception):
    """The transport that the settings ask for is not available, so the server does not start."""
