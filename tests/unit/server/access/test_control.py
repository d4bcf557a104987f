from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from server.access import AccessControl, SecurityLog
from server.access.document import render
from server.access.roles import DATA, MEANINGS, RULES, Role
from server.access.security_log import LINES_A_SECOND
from server.errors import AccessError, IdentityUnknownError
from server.settings.access import Access
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, bearer
from tests.support.serving import wait_until

ROOT = Path(__file__).parents[4]
MODELS = "/kuntur.api.v1.ModelService/ListModels"


def binding_of(identity: str) -> str:
    return f'[[binding]]\nidentities = ["{identity}"]\nroles = ["read_models"]\n'


def settings(tmp_path: Path, issuer: Issuer, **more: object) -> Access:
    bindings = tmp_path / "bindings.toml"
    bindings.write_text(binding_of("token:desk"))
    return Access.model_validate(
        {
            "mode": "required",
            "bindings_path": bindings,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks_path": issuer.publish(tmp_path / "keys.json"),
            **more,
        }
    )


def test_bindings_are_taken_anew_and_broken_ones_leave_those_from_before(tmp_path: Path) -> None:
    issuer, told = Issuer(), list[tuple[str, bool]]()
    given = settings(tmp_path, issuer)
    control = AccessControl(given, lambda *what: told.append(what))
    path = given.bindings_path
    assert path is not None
    token = bearer(issuer.token("desk"))
    assert control.guard.admit(MODELS, lambda: None, token).identity == "token:desk"
    told.clear()
    with structlog.testing.capture_logs() as logs:
        for text in ("[[binding", "[[binding]]\nroles = []", "[[binding", "\0"):
            path.write_text(text)
            for _ in range(3):
                control.look()
        path.unlink()
        control.look()
        control.look()
    assert control.guard.admit(MODELS, lambda: None, token).identity == "token:desk"
    assert all(what == ("bindings", False) for what in told)
    assert len(told) == len(logs) == 5, "each fault is told once"
    path.write_text(binding_of("token:other"))
    control.look()
    with pytest.raises(IdentityUnknownError):
        control.guard.admit(MODELS, lambda: None, token)
    assert told[-1] == ("bindings", True)


def test_files_are_watched_while_it_runs(tmp_path: Path) -> None:
    issuer = Issuer()
    given = settings(tmp_path, issuer)
    control = AccessControl(given, look_s=0.01)
    control.start()
    try:
        path = given.bindings_path
        assert path is not None
        before = control.guard.bindings
        path.write_text(binding_of("token:other"))
        wait_until(lambda: control.guard.bindings is not before)
    finally:
        control.stop()


def test_the_keys_of_a_file_are_there_at_once(tmp_path: Path) -> None:
    issuer = Issuer()
    control = AccessControl(settings(tmp_path, issuer))
    assert control.keys is not None
    assert control.keys.current is not None


@pytest.mark.parametrize("text", [None, "[[binding", '[[binding]]\nidentities = ["core"]\nroles = ["audit"]'])
def test_a_server_does_not_start_with_bindings_that_cannot_be_used(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "bindings.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(AccessError, match=r"access\.bindings_path .*bindings\.toml cannot be used"):
        AccessControl(Access(mode="required", bindings_path=path))


def test_a_server_does_not_start_with_an_authority_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "bindings.toml"
    path.write_text("")
    given = {
        "mode": "required",
        "bindings_path": path,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_url": "https://issuer.example/keys",
        "jwks_ca_path": tmp_path / "nowhere.pem",
    }
    with pytest.raises(AccessError, match="jwks_ca_path"):
        AccessControl(Access.model_validate(given))


def test_a_flood_of_refusals_leaves_few_lines_of_each_reason_and_their_number() -> None:
    now = 0.0
    log = SecurityLog(lambda: now)
    with structlog.testing.capture_logs() as logs:
        for _ in range(1000):
            log.refused("TOKEN_INVALID", method="/a/b", peer="ipv4:10.0.0.1:5")
        log.refused("ROLE_MISSING", method="/a/b", peer="ipv4:10.0.0.2:5", identity="token:core")
        now = 1.0
        log.refused("TOKEN_INVALID", method="/a/b", peer="ipv4:10.0.0.1:5")
    assert [line["reason"] for line in logs].count("TOKEN_INVALID") == LINES_A_SECOND + 1
    assert logs[LINES_A_SECOND]["identity"] == "token:core"
    assert logs[-1]["left_out"] == 1000 - LINES_A_SECOND


def test_the_page_of_roles_is_that_of_the_table() -> None:
    assert (ROOT / "docs" / "security-roles.md").read_text(encoding="utf-8") == render()


def test_every_role_has_a_meaning_and_those_of_data_act_for_institutions() -> None:
    assert set(MEANINGS) == set(Role)
    assert {rule.role for rule in RULES.values() if rule.institutions} == set(DATA)


def test_every_method_of_the_contract_is_in_the_table() -> None:
    from kuntur.api.v1 import (
        history_service_pb2,
        model_service_pb2,
        outcome_service_pb2,
        scoring_service_pb2,
    )

    modules = (history_service_pb2, model_service_pb2, outcome_service_pb2, scoring_service_pb2)
    names = {
        f"/{service.full_name}/{method.name}"
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert names == {name for name in RULES if name.startswith("/kuntur.")}
