from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from server.errors import TlsError
from server.tls.material import TlsFiles
from server.tls.watch import CertificateWatch
from tests.support.certificates import Authority, Pair, replace
from tests.support.serving import wait_until


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> TlsFiles:
    certificate, key = authority.server().write(tmp_path, "server")
    return TlsFiles(certificate, key, replace(tmp_path / "ca.pem", authority.certificate))


def told(logs: list[Any], level: str) -> list[str]:
    return [str(line["event"]) for line in logs if line["log_level"] == level]


def test_files_that_cannot_be_used_at_the_start_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="cannot be read"):
        CertificateWatch(TlsFiles(tmp_path / "a.pem", tmp_path / "a.key"), 1.0)


def test_changed_files_come_into_force(authority: Authority, files: TlsFiles, tmp_path: Path) -> None:
    watch = CertificateWatch(files, 1.0)
    before = watch.material
    watch.look()
    assert watch.material is before
    pair = authority.server()
    pair.write(tmp_path, "server")
    watch.look()
    assert watch.material.contents.certificate == pair.certificate
    assert (watch.taken, watch.refused, watch.usable) == (1, 0, True)


def test_changed_authorities_of_callers_come_into_force(files: TlsFiles) -> None:
    watch, other = CertificateWatch(files, 1.0), Authority("another")
    assert files.client_ca is not None
    replace(files.client_ca, other.certificate)
    watch.look()
    assert watch.material.contents.client_ca == other.certificate


BROKEN: dict[str, Any] = {
    "no PEM": lambda ca: Pair(b"x", ca.server().key),
    "another certificate's key": lambda ca: Pair(ca.server().certificate, ca.server().key),
    "expired": lambda ca: ca.server(valid=timedelta(days=-1)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_files_leave_the_old_in_force_and_are_told_once(
    authority: Authority, files: TlsFiles, tmp_path: Path, what: str
) -> None:
    watch = CertificateWatch(files, 1.0)
    before = watch.material
    BROKEN[what](authority).write(tmp_path, "server")
    with capture_logs() as logs:
        for _ in range(5):
            watch.look()
    assert watch.material is before
    assert told(logs, "error") == ["changed certificates cannot be used; those in force stay"]
    assert (watch.refused, watch.usable) == (1, False)
    pair = authority.server()
    pair.write(tmp_path, "server")
    watch.look()
    assert watch.material.contents.certificate == pair.certificate
    assert watch.usable


def test_a_file_that_is_gone_leaves_the_old_in_force(files: TlsFiles) -> None:
    watch = CertificateWatch(files, 1.0)
    before, content = watch.material, files.key.read_bytes()
    files.key.unlink()
    with capture_logs() as logs:
        watch.look()
        watch.look()
        replace(files.key, content)
        watch.look()
    assert watch.material is before
    assert watch.usable
    assert "server.key: cannot be read" in str(logs)
    assert told(logs, "info") == ["the files of certificates are those in force again"]


def test_files_that_are_replaced_one_after_the_other_are_no_fault(
    authority: Authority, files: TlsFiles
) -> None:
    watch = CertificateWatch(files, 1.0)
    pair = authority.server()
    with capture_logs() as logs:
        replace(files.certificate, pair.certificate)
        watch.look()
        replace(files.key, pair.key)
        watch.look()
    assert watch.material.contents.key == pair.key
    assert told(logs, "error") == []
    assert watch.refused == 0


def test_a_certificate_that_expires_within_a_week_is_warned_of_once_a_day(
    authority: Authority, tmp_path: Path
) -> None:
    files = TlsFiles(*authority.server(valid=timedelta(days=6)).write(tmp_path, "server"))
    with capture_logs() as logs:
        watch = CertificateWatch(files, 1.0)
        watch.look()
        watch.look()
    assert told(logs, "warning") == ["a certificate expires soon"]
    authority.server(valid=timedelta(days=8)).write(tmp_path, "server")
    with capture_logs() as logs:
        watch.look()
    assert told(logs, "warning") == []


def test_a_key_that_others_may_read_is_warned_of(files: TlsFiles) -> None:
    files.key.chmod(0o644)
    with capture_logs() as logs:
        CertificateWatch(files, 1.0)
    assert told(logs, "warning") == ["the private key can be read by other accounts of this machine"]


def test_the_thread_looks_by_itself(authority: Authority, files: TlsFiles, tmp_path: Path) -> None:
    watch = CertificateWatch(files, 0.01)
    watch.start()
    try:
        authority.server().write(tmp_path, "server")
        wait_until(lambda: watch.taken > 0)
    finally:
        watch.stop()


def test_no_line_of_the_log_holds_the_key(authority: Authority, files: TlsFiles, tmp_path: Path) -> None:
    secrets = [files.key.read_text().splitlines()[1]]
    with capture_logs() as logs:
        watch = CertificateWatch(files, 1.0)
        for make in (*BROKEN.values(), Authority.server):
            pair = make(authority)
            pair.write(tmp_path, "server")
            secrets.append(pair.key.decode().splitlines()[1])
            watch.look()
            watch.look()
    assert logs
    assert not [secret for secret in secrets if secret in str(logs)]
