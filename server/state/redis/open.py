"""Opens the shared history that the settings describe, and refuses one that this server cannot share."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from kuntur.time_zone import DEFAULT_TIME_ZONE, TimeZone, time_zone, time_zone_names
from server.settings.sections import History, RedisSettings
from server.state.redis.frame import Terms
from server.state.redis.history import Patience, RedisHistory
from server.state.redis.scripts import FORM
from server.state.redis.sealing import Sealer
from server.state.region.layout import RegionError, layout_number
from server.tls.contexts import check_client_files


def open_shared_history(
    settings: RedisSettings,
    history: History,
    zone: TimeZone | None = None,
    append: Callable[[bytes], int] = lambda _: 0,
) -> RedisHistory:
    """Connects to Redis.

    zone: whose nights are counted, by default Peru's; append: as `RedisHistory` takes it. Raises
    ConnectionError when it cannot be used, `server.state.RegionError` when what is kept there was written by
    servers of another release, with another hash key or in another time zone, `server.errors.TlsError` when
    files of [redis] cannot be used.
    """
    check_client_files(settings.ca, settings.certificate, settings.key)
    zone = zone or time_zone()
    # Without the library's retries: a commit whose answer was lost may have been made, and a second one would
    # find its own transactions and count them as repeated.
    client = Redis.from_url(
        settings.url,
        password=settings.password.get_secret_value() if settings.password else None,
        socket_timeout=settings.timeout_s,
        socket_connect_timeout=settings.timeout_s,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="kuntur-server",
        **_tls(settings),
    )
    terms = Terms(
        prefix=settings.key_prefix.encode(),
        me=os.urandom(8).hex().encode(),
        retention_s=round(settings.retention_days * 86_400),
        recent_transactions=history.recent_transactions,
    )
    try:
        _check_form(client, terms.prefix + FORM, history.hash_key, zone, settings.key_prefix)
        patience = Patience(settings.max_tries, settings.patience_s)
        sealer = Sealer(bytes.fromhex(history.hash_key))
        return RedisHistory(client, terms, patience, sealer, zone, append)
    except RedisError as error:
        client.close()
        raise ConnectionError(
            f"redis.url {settings.url} cannot be used: {error}; start Redis there, or set history.store"
        ) from error
    except RegionError:
        client.close()
        raise


def _tls(settings: RedisSettings) -> dict[str, Any]:
    """Returns what the library takes for TLS; each new connection reads the files anew."""
    if not settings.url.startswith("rediss://"):
        return {}
    return {
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        "ssl_check_hostname": True,
        "ssl_ca_certs": _text(settings.ca),
        "ssl_certfile": _text(settings.certificate),
        "ssl_keyfile": _text(settings.key),
    }


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _check_form(client: Redis, name: bytes, hash_key: str, zone: TimeZone, prefix: str) -> None:
    # Servers with different keys would keep each account apart without anyone noticing.
    keyed = hashlib.blake2b(b"kuntur history", key=bytes.fromhex(hash_key), digest_size=8).hexdigest()
    # What was written before zones were named is Peru's, so the default stays unnamed.
    named = "" if zone.name == DEFAULT_TIME_ZONE else f" {zone.name}"
    form = f"{layout_number()} {keyed}{named}".encode()
    client.set(name, form, nx=True)
    found = client.get(name)
    if found == form:
        return
    text = found.decode(errors="replace") if isinstance(found, bytes) else ""
    layout, key, kept = (*text.split(), DEFAULT_TIME_ZONE, "", "")[:3]
    what = ""
    if layout != str(layout_number()):
        what = "by a release that keeps other records"
    elif key != keyed:
        what = "with another history.hash_key"
    elif kept not in time_zone_names() or not time_zone(kept).agrees_with(zone):
        what = f"with another institution.time_zone ({kept} there and {zone.name} in the settings)"
    if what:
        raise RegionError(
            f"the history under {prefix!r} in Redis was written {what}; set another redis.key_prefix to "
            "begin anew, and send the past again by Backfill"
        )
