from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from kuntur.hash_key import DEFAULT_HASH_KEY
from kuntur.settings.document import to_toml
from server.settings.config import (
    ENVIRONMENT_PREFIX,
    ConfigError,
    ServerSettings,
    known_keys,
    load_settings,
    variable_of,
)
from server.settings.document import render
from server.settings.limits import Limits

DOCS = Path(__file__).parents[3] / "docs"


def printed(settings: ServerSettings) -> str:
    return to_toml(settings, ENVIRONMENT_PREFIX, {"history.hash_key": DEFAULT_HASH_KEY})


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in known_keys():
        monkeypatch.delenv(variable_of(key), raising=False)
    monkeypatch.delenv("KUNTUR_SERVER_CONFIG", raising=False)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_no_file() -> None:
    settings = load_settings()
    assert settings.listen_address == "127.0.0.1:50051"
    assert settings.limits.max_frame_transactions == 4096
    assert settings.history.recent_transactions == 2**21
    assert settings.history.future_tolerance_s == 300
    assert settings.journal.path is None
    assert settings.metrics.port == 0


def test_flags_stand_above_variables_above_the_file_above_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "server.toml",
        'listen_address = "h:1"\n[limits]\nmax_streams = 1\nmax_unary_in_flight = 1\ncontrol_threads = 3\n',
    )
    monkeypatch.setenv("KUNTUR_SERVER_LIMITS__MAX_STREAMS", "2")
    monkeypatch.setenv("KUNTUR_SERVER_LIMITS__MAX_UNARY_IN_FLIGHT", "2")
    settings = load_settings(path, {"limits": {"max_unary_in_flight": 5}})
    assert settings.listen_address == "h:1"
    assert settings.limits.control_threads == 3
    assert settings.limits.max_streams == 2
    assert settings.limits.max_unary_in_flight == 5


def test_the_file_may_be_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "server.toml", "[models]\npoll_interval_s = 9.5\n")
    monkeypatch.setenv("KUNTUR_SERVER_CONFIG", str(path))
    assert load_settings().models.poll_interval_s == 9.5


def test_unknown_keys_are_errors_that_name_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "server.toml", 'listen_adress = "x"\n[limits]\nmax_stream = 1\n[jurnal]\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    message = str(caught.value)
    assert "'listen_adress'; did you mean 'listen_address'?" in message
    assert "'limits.max_stream'; did you mean 'limits.max_streams'?" in message
    assert "'jurnal'; did you mean 'journal'?" in message


def test_sections_within_sections_are_read_and_their_unknown_keys_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "server.toml", '[journal]\npath = "j"\n[journal.encryption]\nkeys = "k"\n')
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__ENCRYPTION__WRITES_WITH", "1.key")
    journal = load_settings(path).journal
    assert (journal.path, journal.encryption.keys) == (Path("j"), Path("k"))
    assert journal.encryption.writes_with == "1.key"
    write(path, '[journal.encryption]\nkey = "k"\n[journal.encyption]\nkeys = "k"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert "'journal.encryption.key'; did you mean 'journal.encryption.keys'?" in str(caught.value)
    assert "'journal.encyption'; did you mean 'journal.encryption'?" in str(caught.value)


def test_an_unknown_variable_is_an_error_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__PAHT", "x")
    with pytest.raises(ConfigError, match="did you mean 'KUNTUR_SERVER_JOURNAL__PATH'"):
        load_settings()


def test_variables_that_an_orchestrator_sets_for_a_service_do_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUNTUR_SERVER_PORT", "tcp://10.0.0.1:50051")
    monkeypatch.setenv("KUNTUR_SERVER_SERVICE_HOST", "10.0.0.1")
    load_settings()


def test_values_out_of_range_name_their_key(tmp_path: Path) -> None:
    path = write(tmp_path / "server.toml", '[limits]\nmax_streams = 0\n[history]\nhash_key = "xyz"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert "limits.max_streams" in str(caught.value)
    assert "history.hash_key" in str(caught.value)
    assert "xyz" not in str(caught.value)


@pytest.mark.parametrize("text", ["[limits", "\xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "server.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"server\.toml"):
        load_settings(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load_settings(tmp_path / "absent.toml")


def test_the_printed_settings_are_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    settings = load_settings(
        None, {"journal": {"path": tmp_path / "j"}, "log": {"format": "json"}, "registry_path": 'a "b"'}
    )
    path = write(tmp_path / "server.toml", printed(settings))
    assert load_settings(path).model_dump() == settings.model_dump()


def test_the_printed_settings_explain_every_key() -> None:
    text = printed(load_settings())
    for key in known_keys():
        assert f"[{variable_of(key)}]" in text.replace("\n# ", " ")
    tomllib.loads(text)


def test_a_hash_key_that_was_set_is_not_printed() -> None:
    key = "00112233445566778899aabbccddeeff"
    assert key not in printed(load_settings(None, {"history": {"hash_key": key}}))


def test_the_password_of_redis_is_a_setting_of_its_own_and_never_shown() -> None:
    settings = load_settings(None, {"redis": {"password": "hunter2"}})
    assert settings.redis.password is not None
    assert settings.redis.password.get_secret_value() == "hunter2"
    assert "hunter2" not in printed(settings) + repr(settings)


@pytest.mark.parametrize("url", ["redis://u:hunter2@h:6379/0", "redis://h?password=hunter2", "http://h"])
def test_addresses_of_redis_with_a_password_or_another_scheme_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url") as caught:
        load_settings(None, {"redis": {"url": url}})
    assert "hunter2" not in str(caught.value)


def test_a_pipe_a_device_and_a_file_without_end_are_refused_and_nothing_waits(tmp_path: Path) -> None:
    pipe, device, large = tmp_path / "pipe", tmp_path / "device", tmp_path / "large"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    with large.open("wb") as file:
        file.truncate(1 << 40)
    for path, told in (
        (pipe, "pipe: is not a regular file"),
        (device, "device: is not a regular file"),
        (tmp_path, f"{tmp_path.name}: is not a regular file"),
        (large, "large: has 1,099,511,627,776 bytes, more than the 1,048,576 that are read"),
        (tmp_path / "absent", "absent: cannot be read: No such file or directory"),
    ):
        with pytest.raises(ConfigError, match=f"{re.escape(told)}$"):
            load_settings(path)


def test_a_file_that_is_no_text_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("# año\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin.toml: is not UTF-8 \(byte 4\)"):
        load_settings(tmp_path / "latin.toml")


def test_settings_may_lie_behind_a_link_as_orchestrators_mount_them(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write(tmp_path / "data", "workers = 3\n"))
    assert load_settings(tmp_path / "link").workers == 3


def test_the_institution_is_peru_s_unless_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().institution.time_zone == "America/Lima"
    assert load_settings().institution.country_codes == ()
    path = write(tmp_path / "s", '[institution]\ntime_zone = "Europe/Madrid"\ncountry_codes = ["XA"]\n')
    assert load_settings(path).institution.time_zone == "Europe/Madrid"
    monkeypatch.setenv("KUNTUR_SERVER_INSTITUTION__COUNTRY_CODES", '["QM", "ZZ", "QM"]')
    assert load_settings(path).institution.country_codes == ("QM", "ZZ")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"time_zone": "America/Lim"},
            "time_zone: 'America/Lim' is not an IANA time zone; did you mean America/Lima?",
        ),
        ({"country_codes": ["PE"]}, "country_codes: 'PE' is valid anyway: name only user-assigned codes"),
        ({"country_codes": ["xa"]}, "'xa' is not user-assigned in ISO 3166-1: AA, QM to QZ, XA to XZ and ZZ"),
        ({"country_codes": ["UK"]}, "'UK' is not user-assigned"),
    ],
)
def test_a_zone_or_code_that_is_none_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"institution.{told}" if "_" in told[:15] else told)):
        load_settings(None, {"institution": given})


def test_a_list_in_a_variable_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUNTUR_SERVER_INSTITUTION__COUNTRY_CODES", "XA,XB")
    with pytest.raises(ConfigError, match=r'cannot be read: .*"institution".* as in \["XA", "XB"\]$'):
        load_settings()


def test_the_page_of_settings_is_that_of_the_declarations() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == render()


def test_the_page_of_overload_names_the_limits_with_their_defaults() -> None:
    table = (DOCS / "overload.md").read_text(encoding="utf-8").partition("\n**A place")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE)
    assert len(rows) > 10
    for name, told in rows:
        default = Limits.model_fields[name].default
        number, _, unit = told.partition(" ")
        if default is None:
            assert told.startswith("half of the whole"), name
        else:
            assert float(number) * {"": 1, "MiB": 1 << 20}[unit] == default, name


def test_every_setting_that_a_page_of_the_server_names_is_one() -> None:
    sections, named = {key.split(".")[0] for key in known_keys() if "." in key}, set()
    for page in ("serving", "overload", "state", "journal", "bundle", "reasons", "shared-store"):
        text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
        named |= {
            key for key in re.findall(r"`(\w+\.\w+)(?: = [^`]+)?`", text) if key.split(".")[0] in sections
        }
    assert len(named) > 10
    assert named <= set(known_keys())
