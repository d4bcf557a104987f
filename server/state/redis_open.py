"""Opens the shared history that the settings describe, and refuses one that this server cannot share."""

from __future__ import annotations

import hashlib
import os

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from server.config import History, RedisSettings
from server.state.redis_frame import Terms
from server.state.redis_history import Patience, RedisHistory
from server.state.redis_scripts import FORM
from server.state.region import RegionError, layout_number


def open_shared_history(settings: RedisSettings, history: History) -> RedisHistory:
    """Connects to Redis.

    Raises ConnectionError when it cannot be had, `server.state.RegionError` when what is kept there was
    written by servers of another release or with another hash key.
    """
    # Without retries of the library: a commit whose answer was lost may have been made, and made again it
    # would find its own transactions and count them as repeated.
    client = Redis.from_url(
        settings.url,
        password=settings.password.get_secret_value() if settings.password else None,
        socket_timeout=settings.timeout_s,
        socket_connect_timeout=settings.timeout_s,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        client_name="kuntur-server",
    )
    terms = Terms(
        prefix=settings.key_prefix.encode(),
        me=os.urandom(8).hex().encode(),
        retention_s=round(settings.retention_days * 86_400),
        recent_transactions=history.recent_transactions,
    )
    try:
        _check_form(client, terms.prefix + FORM, history.hash_key, settings.key_prefix)
        return RedisHistory(client, terms, Patience(settings.max_tries, settings.patience_s))
    except RedisError as error:
        client.close()
        raise ConnectionError(
            f"redis.url {settings.url} cannot be used: {error}; start Redis there, or set history.store"
        ) from error
    except RegionError:
        client.close()
        raise


def _check_form(client: Redis, name: bytes, hash_key: str, prefix: str) -> None:
    # Servers with different keys would keep each account apart without anyone noticing.
    keyed = hashlib.blake2b(b"kuntur history", key=bytes.fromhex(hash_key), digest_size=8).hexdigest()
    form = f"{layout_number()} {keyed}".encode()
    client.set(name, form, nx=True)
    found = client.get(name)
    if found == form:
        return
    layout = isinstance(found, bytes) and found.split()[0] == form.split()[0]
    what = "with another history.hash_key" if layout else "by a release that keeps other records"
    raise RegionError(
        f"the history under {prefix!r} in Redis was written {what}; set another redis.key_prefix to begin "
        "anew, and send the past again by Backfill"
    )
