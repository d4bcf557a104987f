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


class TransactionConflictError(ServerError):
    """Another transaction had the id before. fields: those that differ, in the order of their numbers."""

    def __init__(self, transaction_id: str, fields: Sequence[str]) -> None:
        told = f": {', '.join(fields)} differ" + ("s" if len(fields) == 1 else "") if fields else ""
        super().__init__("another transaction with this id was taken before" + told)
        self.transaction_id, self.fields = transaction_id, fields


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


class StartingError(ServerError):
    """The server does not have its history yet; nothing was counted."""

    def __init__(self) -> None:
        super().__init__(
            "the server is starting: it brings its history up to date and then loads its model; try again"
        )


class JournalUnavailableError(ServerError):
    """The journal cannot be written for now; nothing was counted, or the answer is kept for the next try."""

    def __init__(self) -> None:
        super().__init__("the server cannot write its journal for now; try again, it is counted once")


class ShuttingDownError(ServerError):
    """The server is shutting down."""

    def __init__(self) -> None:
        super().__init__("the server is shutting down")


class IncidentError(ServerError):
    """The server failed unexpectedly; its log has the cause under an id."""

    def __init__(self, incident_id: str) -> None:
        super().__init__(f"the server failed; its log has the cause under {incident_id}")
        self.incident_id = incident_id


class AccessDeniedError(ServerError):
    """The guard does not let a caller do something; each reason is a class of its own."""


class CredentialsMissingError(AccessDeniedError):
    """A call has neither a certificate nor a bearer token."""

    def __init__(self) -> None:
        super().__init__("the call has neither a client certificate nor a bearer token")


class CertificateInvalidError(AccessDeniedError):
    """A certificate names nobody, or more than one."""

    def __init__(self) -> None:
        super().__init__("the client certificate has no single SPIFFE ID and no subject")


class TokenInvalidError(AccessDeniedError):
    """A token is none, or was not signed as tokens have to be.

    why: a constant of the code, never anything of the token.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"the bearer token {why}")
        self.why = why


class TokenExpiredError(AccessDeniedError):
    """The time of a token is over."""

    def __init__(self) -> None:
        super().__init__("the bearer token has expired; get another")


class TokenNotYetValidError(AccessDeniedError):
    """The time of a token has not begun."""

    def __init__(self) -> None:
        super().__init__("the bearer token is not valid yet")


class TokenIssuerError(AccessDeniedError):
    """A token is of another issuer."""

    def __init__(self) -> None:
        super().__init__("the bearer token is not of the issuer that this server trusts")


class TokenAudienceError(AccessDeniedError):
    """A token is for another server."""

    def __init__(self) -> None:
        super().__init__("the bearer token is not for this server")


class KeyUnknownError(AccessDeniedError):
    """The issuer has no such key as a token names."""

    def __init__(self) -> None:
        super().__init__("the bearer token names a key that its issuer has not published")


class KeyPendingError(AccessDeniedError):
    """The keys of the issuer are being fetched."""

    def __init__(self) -> None:
        super().__init__("the keys of the token's issuer are being fetched; call again")


class IdentityUnknownError(AccessDeniedError):
    """Nobody bound an identity to anything."""

    def __init__(self, identity: str) -> None:
        super().__init__("the identity is bound to nothing on this server")
        self.identity = identity


class RoleMissingError(AccessDeniedError):
    """An identity does not have the role that a method takes."""

    def __init__(self, identity: str, role: str) -> None:
        super().__init__(f"the identity does not have the role {role}")
        self.identity = identity
        self.role = role


class InstitutionForeignError(AccessDeniedError):
    """A transaction or outcome is of an institution that its sender does not act for."""

    def __init__(self, institution_id: str) -> None:
        super().__init__("the identity does not act for the institution")
        self.institution_id = institution_id


class AccessError(Exception):
    """What the settings of access name cannot be used, so the server does not start."""


class TransportError(Exception):
    """The transport that the settings ask for is not available, so the server does not start."""


class TlsError(Exception):
    """Certificates or keys that cannot be used, or a port that may not be open without them.

    At the start the server does not start; later what was in force stays.
    """
