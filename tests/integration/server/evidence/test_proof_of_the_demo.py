"""What the demonstration shows last: evidence of one decision, verified, and refused once it was changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo import programs, proof
from tests.support.bundles import publish
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import stubs_for, transaction, unary, wait_until


def test_evidence_of_a_decision_is_verified_and_a_changed_copy_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, journal = tmp_path / "registry", tmp_path / "journal"
    publish(registry, "m-1")
    key = proof.journal_key(tmp_path / "keys")
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__SIGNING__KEYS", str(tmp_path / "keys"))
    with (
        ServerProcess("--registry", str(registry), "--journal", str(journal)) as server,
        stubs_for(server.address) as stubs,
    ):
        wait_until(lambda: stubs.health_of() == "SERVING")
        for number in range(3):
            stubs.scoring.ScoreTransaction(
                unary(transaction(f"t-{number}", institution_id="banco-andino")), timeout=400
            )
        assert server.end() == 0
    found = proof.proved(("banco-andino", "t-1"), journal, registry, key, tmp_path / "evidence")
    assert found.page.exists()
    assert found.yes.startswith("yes: ")
    assert found.no == "no: the path does not lead from the record to the root"
    with pytest.raises(programs.StepFailedError, match="evidence ended with exit code 2"):
        proof.proved(("banco-andino", "t-9"), journal, registry, key, tmp_path / "none")
