from __future__ import annotations

import json

import pytest

from kuntur.settings.document import to_toml
from trainer.settings.config import load
from trainer.sources.address import address_of, redacted

URI = "postgresql://ana:p%40ss@db.banco.pe:5432/pagos"


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        (URI, "db.banco.pe:5432/pagos"),
        ("postgres://ana@h", "h"),
        ("postgresql:///pagos", "/pagos"),
        ("postgresql://h1:1,h2:2/d?sslmode=require", "h1:1,h2:2/d"),
        ("postgresql://", "the default host"),
    ],
)
def test_the_place_is_the_address_without_user_and_password(uri: str, place: str) -> None:
    assert address_of(uri).place == place


def test_a_time_to_connect_is_added_and_not_replaced() -> None:
    assert address_of(URI).with_timeout() == f"{URI}?connect_timeout=10"
    assert address_of(f"{URI}?sslmode=require").with_timeout().endswith("?sslmode=require&connect_timeout=10")
    own = f"{URI}?connect_timeout=3"
    assert address_of(own).with_timeout() == own


@pytest.mark.parametrize(
    "uri", ["", "mysql://u:wrong@h/d", "postgresql://u:wr@ong@h", "host=h password=wrong"]
)
def test_what_is_no_address_is_refused_without_being_repeated(uri: str) -> None:
    with pytest.raises(ValueError, match="is not an address such as") as caught:
        address_of(uri)
    assert "ong" not in str(caught.value)


def test_a_message_loses_the_password_as_written_and_as_meant() -> None:
    said = f"{URI} failed: p@ss of ana (p%40ss) is wrong"
    assert redacted(said, URI) == "*** failed: *** of ana (***) is wrong"
    assert redacted("no hunter2", "postgresql://h/d?password=hunter2") == "no ***"
    assert redacted("nothing secret", "postgresql://ana@h/d") == "nothing secret"


def test_no_document_of_settings_holds_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_DATA__POSTGRES__URI", URI)
    settings = load(None, {"data": {"postgres": {"table": "pagos"}}})
    assert settings.data.postgres.uri is not None
    assert settings.data.postgres.uri.get_secret_value() == URI
    toml = to_toml(settings, "KUNTUR_TRAINER_", {})
    assert "# uri is set and not shown" in toml
    assert "[data.postgres]" in toml
    assert "[KUNTUR_TRAINER_DATA__POSTGRES__URI]" in toml
    for document in (
        toml,
        json.dumps(settings.model_dump(mode="json")),
        repr(settings),
        settings.model_dump_json(),
    ):
        assert "ss@" not in document
        assert "%40" not in document


def test_a_wrong_setting_beside_the_address_does_not_show_it() -> None:
    with pytest.raises(ValueError, match="not both") as caught:
        load(None, {"data": {"postgres": {"uri": URI, "table": "a", "query": "b"}}})
    assert "p%40ss" not in str(caught.value)
