"""What a server says in its log once it has started, warnings of what is not for production among it."""

from __future__ import annotations

from typing import Any

import structlog

from kuntur.hash_key import DEFAULT_HASH_KEY
from server.settings.config import ServerSettings
from server.settings.listening import stays_here

_LOG = structlog.get_logger(__name__)


def tell_started(settings: ServerSettings, **facts: Any) -> None:
    """Logs that a server has started, with facts and the places of its settings."""
    _LOG.info(
        "server started",
        **facts,
        tls=_tls(settings),
        registry=str(settings.registry_path),
        journal=str(settings.journal.path) if settings.journal.path else None,
    )
    if settings.access.mode == "open" and not stays_here(settings.listen_address):
        _LOG.warning(
            "whoever reaches the port may score, report and backfill for every institution: "
            'set access.mode = "required" (docs/access.md)',
            listen=settings.listen_address,
        )
    if settings.history.hash_key == DEFAULT_HASH_KEY:
        _LOG.warning("ids are hashed with the public default key; set history.hash_key in production")
    signatures = settings.signatures
    if signatures.policy is None:
        _LOG.warning(
            "UNSIGNED BUNDLES ARE TRUSTED: whoever can write into the registry decides what is fraud; "
            "set signatures.policy in production"
        )
    elif signatures.newest_live is None:
        _LOG.warning(
            "which model was the newest is forgotten when this server ends, and an older one could be "
            "put back then; set signatures.newest_live"
        )


def _tls(settings: ServerSettings) -> str | None:
    """Returns what callers have to speak."""
    tls = settings.tls
    if tls.certificate is None:
        return None
    mutual = ", with a certificate of the caller" if tls.client_certificate == "required" else ""
    return f"{tls.minimum_version} or newer{mutual}"
