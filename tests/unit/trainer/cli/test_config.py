from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from kuntur.hash_key import DEFAULT_HASH_KEY
from kuntur.settings.document import to_toml
from trainer.settings.config import TrainerSettings, load
from trainer.settings.environment import ENVIRONMENT_PREFIX


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections(field.annotation)


def toml(directory: Path, text: str) -> Path:
    path = directory / "trainer.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    settings = load(None, {})
    assert settings.search.trials == 16
    assert settings.data.mapping == "kuntur"
    assert settings.ray.address is None


def test_a_file_goes_over_defaults(tmp_path: Path) -> None:
    settings = load(toml(tmp_path, 'registry = "there"\n[search]\ntrials = 3\nalgorithms = ["xgboost"]'), {})
    assert settings.search.trials == 3
    assert settings.search.algorithms == ("xgboost",)
    assert settings.search.max_rounds == 400
    assert settings.registry == Path("there")


def test_the_environment_goes_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_SEARCH__TRIALS", "5")
    settings = load(toml(tmp_path, "[search]\ntrials = 3\nseed = 4"), {})
    assert (settings.search.trials, settings.search.seed) == (5, 4)


def test_the_command_line_goes_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUNTUR_TRAINER_SEARCH__TRIALS", "5")
    monkeypatch.setenv("KUNTUR_TRAINER_SEARCH__SEED", "6")
    settings = load(toml(tmp_path, "[search]\ntrials = 3\nmax_rounds = 9"), {"search": {"trials": 7}})
    assert (settings.search.trials, settings.search.seed, settings.search.max_rounds) == (7, 6, 9)


def test_a_file_of_one_call_is_forgotten_in_the_next(tmp_path: Path) -> None:
    load(toml(tmp_path, "[search]\ntrials = 3"), {})
    assert load(None, {}).search.trials == 16


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[search]\ntrails = 3", "search.trails"),
        ("[serach]\ntrials = 3", "serach"),
        ("[search]\ntrials = 0", "search.trials"),
        ('[search]\nalgorithms = ["svm"]', "search.algorithms.0"),
        ("[split]\nlabel_delay_days = -1", "split.label_delay_days"),
        ("[data]\nmax_reject_share = 2", "data.max_reject_share"),
        ('[data]\npaths = ["a.csv"]\njournal = "journal"', "data"),
        ("[split]\ntest_days = 0", "split.test_days"),
        ("[checks]\nmin_fraud_share = 0.5", "checks"),
        ('hash_key = "short"', "hash_key"),
    ],
)
def test_a_wrong_setting_is_named_with_its_path(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        load(toml(tmp_path, text), {})
    (found,) = caught.value.errors()
    assert ".".join(map(str, found["loc"])) == place


def test_every_setting_is_documented() -> None:
    for section in sections(TrainerSettings):
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"


def test_what_config_prints_is_toml_that_gives_the_same_settings(tmp_path: Path) -> None:
    path = tmp_path / "trainer.toml"
    path.write_text(to_toml(load(None, {}), ENVIRONMENT_PREFIX, {"hash_key": DEFAULT_HASH_KEY}))
    assert load(path, {}).model_dump() == load(None, {}).model_dump()
