"""The guard: takes what a call shows to who calls, or refuses it with a reason.

Each call passes it before anything is done for it, on the thread that takes calls up. So the usual case, a
token that was checked before, is one look into a dict; nothing here ever waits for a network or a file; and
how many new tokens are checked a second is bounded, since that takes longer than to answer a call.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jwt import PyJWK

from server.access.bindings import Bindings
from server.access.caller import Caller
from server.access.checks import CheckBudget
from server.access.identity import identity_of_certificate, thumbprint_of
from server.access.known import Known
from server.access.roles import RULES
from server.access.tokens.key_set import KeySet
from server.access.tokens.reader import TokenReader
from server.errors import (
    CredentialsMissingError,
    IdentityUnknownError,
    OverloadedError,
    RoleMissingError,
    ServerError,
    TokenAudienceError,
    TokenExpiredError,
    TokenInvalidError,
    TokenIssuerError,
)

_SCHEME = "bearer "
_MOST_READY = 256
_MOST_CERTIFICATES = 4096
_MOST_REFUSED = 1024
_LASTING = (TokenAudienceError, TokenExpiredError, TokenInvalidError, TokenIssuerError)
"""Refusals that a token gets for as long as the keys are the same."""
Certificate = Callable[[], bytes | None]
"""Returns the certificate of the peer, PEM, as gRPC's auth context has it; None: there is none."""


class _Checked(NamedTuple):
    """A token that was checked, and what the bindings made of it."""

    identity: str
    caller: Caller | None
    """None: the identity is bound to nothing."""
    expires: float
    """By time.time."""
    bindings: Bindings
    keys: KeySet | None
    """The set of keys by which it counts."""
    key: PyJWK
    bound_to: str | None


class Guard:
    """Says who calls, for as many threads as there are."""

    def __init__(
        self,
        bindings: Bindings,
        tokens: TokenReader | None,
        *,
        opened: Iterable[str] = (),
        max_tokens: int = 16_384,
        checks_per_s: float = 500.0,
        checked: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Takes the bindings and what reads tokens; None: none are taken.

        opened: methods that take no identity; max_tokens: how many are remembered; checks_per_s: how many new
        ones are checked a second; checked: told of each of those.
        """
        self._bindings = bindings
        self._checked = checked
        self._reader = tokens
        self._opened = frozenset(opened)
        self._passer_by = Caller("", self._opened)
        self._clock = clock
        # Apart: what stands for a certificate must never be found by what somebody writes into a header.
        self._ready: dict[str, Caller] = {}
        self._by_pem: dict[bytes, Caller] = {}
        self._identities: dict[bytes, str] = {}
        self._filling = threading.Lock()
        self._tokens: Known[_Checked] = Known(max_tokens, over=lambda each: each.expires <= clock())
        self._refused: Known[tuple[ServerError, KeySet | None]] = Known(_MOST_REFUSED, over=lambda _: False)
        self._checks = CheckBudget(checks_per_s)
        if tokens is not None:
            tokens.keys.changed = self._forget_ready

    @property
    def bindings(self) -> Bindings:
        """The bindings in force. New ones count from the next call on."""
        return self._bindings

    @bindings.setter
    def bindings(self, bindings: Bindings) -> None:
        self._bindings = bindings
        self._forget_ready()

    def recall(self, method: str, authorization: str | None) -> Caller | None:
        """Returns who calls, where nothing has to be looked at for it: a token that was in use just now.

        This is nearly every call, and takes half of the time that the hash of a token would.
        """
        caller = self._ready.get(authorization)  # type: ignore[arg-type]  # None is no key of it
        if caller is not None and caller.expires > self._clock() and method in caller.methods:
            return caller
        return None

    def admit(self, method: str, certificate: Certificate, authorization: str | None) -> Caller:
        """Returns who calls a method.

        Args:
            method: Full name, with slashes.
            certificate: Gives the peer's certificate; asked only where it counts.
            authorization: Metadata of that name, "Bearer TOKEN"; None: the call has none.

        Raises:
            AccessDeniedError: One of its kinds says why the call may not be made.
            OverloadedError: More new tokens come than are checked a second.
        """
        if method in self._opened:
            return self.recall(method, authorization) or self._passer_by
        if authorization is None:
            return self._by_certificate(method, certificate)
        known = self._by_token(certificate, authorization)
        caller = _permitted(method, known.identity, known.caller)
        if known.bound_to is None:
            self._make_ready(authorization, caller, known)
        return caller

    def renewed(self, caller: Caller, method: str) -> Caller:
        """Returns a caller of before the last change of the bindings as those have it now.

        Raises IdentityUnknownError, RoleMissingError.
        """
        if not caller.identity:
            return caller
        now = _caller(caller.identity, self._bindings, caller.expires)
        return _permitted(method, caller.identity, now)

    def _by_certificate(self, method: str, certificate: Certificate) -> Caller:
        pem, bindings = certificate(), self._bindings
        if not pem:
            raise CredentialsMissingError
        caller = self._by_pem.get(pem)
        if caller is not None and caller.bindings is bindings and method in caller.methods:
            return caller
        identity = self._identities.get(pem)
        if identity is None:
            identity = identity_of_certificate(pem)
            with self._filling:
                if len(self._identities) >= _MOST_CERTIFICATES:
                    self._identities, self._by_pem = {}, {}
                self._identities[pem] = identity
        caller = _permitted(method, identity, _caller(identity, bindings, math.inf))
        with self._filling:
            self._by_pem[pem] = caller
        return caller

    def _by_token(self, certificate: Certificate, authorization: str) -> _Checked:
        reader = self._reader
        if reader is None:
            raise TokenInvalidError("cannot be used here: this server takes no tokens")
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise TokenInvalidError('should come as "Bearer TOKEN"')
        keys, bindings = reader.keys.current, self._bindings
        known = self._tokens.find(authorization)
        if known is None or keys is None or known.key not in keys:
            known = self._check(reader, authorization, bindings)
        elif known.bindings is not bindings or known.keys is not keys:
            caller = _caller(known.identity, bindings, known.expires)
            known = known._replace(caller=caller, bindings=bindings, keys=keys)
            self._tokens.keep(authorization, known)
        if known.expires <= self._clock():
            raise TokenExpiredError
        if known.bound_to is not None:
            pem = certificate()
            if not pem or thumbprint_of(pem) != known.bound_to:
                raise TokenInvalidError("is bound to another certificate than that of the connection")
        return known

    def _check(self, reader: TokenReader, authorization: str, bindings: Bindings) -> _Checked:
        """Has a token checked that is not known, and remembers what came of it."""
        keys = reader.keys.current
        refused = self._refused.find(authorization)
        if refused is not None and refused[1] is keys:
            raise _again(refused[0])
        if not self._checks.take():
            raise OverloadedError("checks of new tokens", round(self._checks.per_s))
        self._checked()
        try:
            token = reader.read(authorization[len(_SCHEME) :].strip())
        except _LASTING as error:
            self._refused.keep(authorization, (_again(error), keys))
            raise
        caller = _caller(token.identity, bindings, token.expires)
        known = _Checked(token.identity, caller, token.expires, bindings, keys, token.key, token.bound_to)
        self._tokens.keep(authorization, known)
        return known

    def _make_ready(self, authorization: str, caller: Caller, known: _Checked) -> None:
        """Has a token recalled from now on, unless bindings or keys have just changed."""
        with self._filling:
            if self._reader and known.bindings is self._bindings and known.keys is self._reader.keys.current:
                if len(self._ready) >= _MOST_READY:
                    self._ready = {}  # those in use come back by themselves, and no token stays for ever
                self._ready[authorization] = caller

    def _forget_ready(self) -> None:
        with self._filling:
            self._ready = {}


def _caller(identity: str, bindings: Bindings, expires: float) -> Caller | None:
    binding = bindings.of(identity)
    if binding is None:
        return None
    return Caller(
        identity,
        binding.methods,
        binding.institutions,
        bindings,
        expires,
        binding.max_calls,
        binding.max_streams,
    )


def _permitted(method: str, identity: str, caller: Caller | None) -> Caller:
    """Returns the caller. Raises IdentityUnknownError, RoleMissingError."""
    if caller is None:
        raise IdentityUnknownError(identity)
    if method not in caller.methods:
        rule = RULES.get(method)
        # A method that the table lacks is nobody's: better refused than forgotten.
        raise RoleMissingError(identity, rule.role if rule and rule.role else "none")
    return caller


def _again(error: ServerError) -> ServerError:
    """Returns an error like one that was raised, without what hangs on that."""
    return TokenInvalidError(error.why) if isinstance(error, TokenInvalidError) else type(error)()
