"""Which bundles this server trusts: signed as its policy asks, and no older than what was live once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from kuntur.bundle.bundle import BundleRefusedError, Manifest, RefusalReason, read_bundle
from kuntur.bundle.signing import Policy, PolicyError, read_policy
from server.models.newest import Newest, NewestLive, NewestLiveError

_LOG = structlog.get_logger(__name__)
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_WARN_DAYS = 30
Fingerprint = tuple[tuple[str, int, int, int], ...]


class Trust:
    """Says whether a bundle may go live by who signed it and by its age. For one thread at a time."""

    def __init__(self, policy: Path | None = None, newest_live: Path | None = None) -> None:
        """Takes the file of the policy, None to trust all that is there, and that of the newest model."""
        self._path = policy
        self._newest = NewestLive(newest_live)
        self._known: tuple[Fingerprint, Policy] | None = None
        self._warned: set[str] = set()
        self._told = ("", "")

    def signers_required(self) -> int:
        """Returns how many signers a bundle must have, 0 without a policy. Raises PolicyError."""
        return 0 if self._path is None else self._read(self._path).threshold

    def policy(self) -> Policy | None:
        """Returns the policy as it stands in its file now; None where there is none.

        Raises BundleRefusedError where it cannot be read: what cannot be checked does not go live.
        """
        if self._path is None:
            return None
        try:
            return self._read(self._path)
        except PolicyError as error:
            self._tell("the policy of signatures cannot be used: no model goes live", error)
            message = "the policy of signatures cannot be used; the server's log says why"
            raise BundleRefusedError(RefusalReason.INCOMPLETE, message) from error

    def check_age(self, manifest: Manifest) -> None:
        """Raises BundleRefusedError for a model that is older than the newest that was live."""
        if self._path is None:
            return
        try:
            newest = self._newest.read()
        except NewestLiveError as error:
            self._tell("what was live cannot be told: no model goes live", error)
            message = "whether it is older than what was live cannot be told; the server's log says why"
            raise BundleRefusedError(RefusalReason.MODEL_ROLLED_BACK, message) from error
        if newest is not None and published(manifest) < newest.time:
            message = (
                f"it was published {manifest.published_time or 'before times were told'}, and "
                f"{newest.model_version} of {newest.time.isoformat()} was live: to go back on purpose, run "
                f"kuntur-server go-back {manifest.model_version}"
            )
            raise BundleRefusedError(RefusalReason.MODEL_ROLLED_BACK, message)

    def went_live(self, manifest: Manifest) -> None:
        """Takes that a model is live: from now on an older one is refused."""
        if self._path is None:
            return
        try:
            self._newest.raise_to(Newest(manifest.model_version, published(manifest)))
        except NewestLiveError as error:
            self._tell("that a model is live cannot be kept: an older one could be put back", error)

    def fingerprint(self) -> Fingerprint:
        """Returns name, size, time of change and inode of the files that a verdict depends on."""
        files = () if self._known is None else self._known[1].files
        return _fingerprint({*files, *(path for path in (self._path, self._newest.path) if path is not None)})

    def _tell(self, event: str, error: Exception) -> None:
        """Logs what keeps models from going live: once, though it is met at every look."""
        if self._told != (event, str(error)):
            self._told = event, str(error)
            _LOG.error(event, error=str(error))

    def _read(self, path: Path) -> Policy:
        """Returns the policy: as it was read last while none of its files has changed since."""
        if self._known is not None and self._known[0] == _fingerprint(self._known[1].files):
            return self._known[1]
        policy = read_policy(path)
        self._known = _fingerprint(policy.files), policy
        today = datetime.now(UTC).date()
        for key in policy.keys:
            if key.until is None or key.public.id in self._warned:
                continue
            if 0 <= (key.until - today).days < _WARN_DAYS:
                self._warned.add(key.public.id)
                _LOG.warning("a signer's key ends soon: sign again with its next one", signer=key.signer,
                             key=key.public.id[:16], until=str(key.until))  # fmt: skip
        return policy


def _fingerprint(paths: Iterable[Path]) -> Fingerprint:
    found = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_size, status.st_mtime_ns, status.st_ino))
    return tuple(sorted(found))


def published(manifest: Manifest) -> datetime:
    """Returns when a model was published; that of a bundle from before times were told lies before all."""
    if not manifest.published_time:
        return _BEFORE_ALL
    return datetime.fromisoformat(manifest.published_time)


def go_back(registry: Path, model_version: str, policy: Path, newest_live: Path) -> Newest | None:
    """Lets an older model go live again, and returns what was the newest until now.

    Args:
        registry: Where its bundle lies.
        model_version: The model; its signatures are verified.
        policy: Who must have signed it.
        newest_live: The file of the newest live model.

    Raises:
        PolicyError, NewestLiveError: A file cannot be used.
        BundleRefusedError: The bundle is refused for something else than its age.
    """
    bundle = read_bundle(registry / model_version, read_policy(policy))
    kept = NewestLive(newest_live)
    return kept.lower_to(Newest(model_version, published(bundle.manifest)))
