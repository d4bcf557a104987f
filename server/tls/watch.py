"""The files in force: looked at again and again, taken when they are sound, kept when they are not."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import structlog

from server.errors import TlsError
from server.tls.material import Material, TlsFiles, checked, read, readable_by_others

_LOG = structlog.get_logger(__name__)
WARN_BEFORE = timedelta(days=7)
_WARN_EVERY = timedelta(days=1)
_JOIN_S = 5.0


class CertificateWatch:
    """Certificates and keys that a port serves with. `material` is what is in force; safe for threads.

    Files that are replaced one after the other do not fit each other for a moment: what cannot be taken is
    told at the second look that finds the same, once.
    """

    def __init__(self, files: TlsFiles, interval_s: float, use: str = "calls") -> None:
        """Reads the files. Raises TlsError when they cannot be used.

        interval_s: time between two looks; use: what they are for, for the log.
        """
        self._files, self._interval_s, self._use = files, interval_s, use
        self.material: Material = checked(files, read(files))
        """What is in force."""
        self.taken = 0
        """How often changed files were taken."""
        self.refused = 0
        """How often changed files could not be."""
        self._doubt = ""  # why the files could not be used at the last look
        self._told = ""  # the same, as the log has it
        self._warned: datetime | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="certificates", daemon=True)
        _LOG.info("certificate in force", **self._facts())
        if readable_by_others(files.key):
            _LOG.warning("the private key can be read by other accounts of this machine", path=str(files.key))
        self._warn_of_expiry()

    @property
    def usable(self) -> bool:
        """Whether the files are those in force, or could be."""
        return not self._told

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def look(self) -> None:
        """Looks at the files once."""
        try:
            found = read(self._files)
            if found != self.material.contents:
                self._take(checked(self._files, found))
            elif self._told:
                _LOG.info("the files of certificates are those in force again", use=self._use)
        except TlsError as error:
            self._refuse(str(error))
        else:
            self._doubt = self._told = ""
        self._warn_of_expiry()

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval_s):
            try:
                self.look()
            except Exception:
                _LOG.exception("a look at the certificates failed; those in force stay", use=self._use)

    def _take(self, material: Material) -> None:
        self.material = material
        self.taken += 1
        self._warned = None
        _LOG.info("changed certificates are in force", **self._facts())

    def _refuse(self, why: str) -> None:
        if why == self._doubt and why != self._told:
            self._told = why
            self.refused += 1
            _LOG.error("changed certificates cannot be used; those in force stay", use=self._use, why=why)
        self._doubt = why

    def _warn_of_expiry(self) -> None:
        """Warns of certificates that expire soon, once a day."""
        now = datetime.now(UTC)
        if self._warned is not None and now - self._warned < _WARN_EVERY:
            return
        for what, expires in (
            ("certificate", self.material.expires),
            ("client_ca", self.material.client_ca_expires),
        ):
            if expires is not None and expires - now < WARN_BEFORE:
                self._warned = now
                _LOG.warning(
                    "a certificate has expired" if expires <= now else "a certificate expires soon",
                    use=self._use,
                    file=what,
                    expires=f"{expires:%Y-%m-%dT%H:%M:%SZ}",
                )

    def _facts(self) -> dict[str, str]:
        material = self.material
        return {
            "use": self._use,
            "serial": material.serial,
            "expires": f"{material.expires:%Y-%m-%dT%H:%M:%SZ}",
        }
