"""Settings of the trainer: defaults, one TOML file, environment, command line, each over the one before.

Environment variables are `KUNTUR_TRAINER_` and the path of the setting joined by `__`, such as
`KUNTUR_TRAINER_SEARCH__TRIALS=40`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from kuntur.files.paths import read_settings
from kuntur.files.toml import parse_toml
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.institution import Institution
from trainer.settings.data import CheckSettings, DataSettings, SplitSettings
from trainer.settings.environment import ENVIRONMENT_PREFIX
from trainer.settings.fitting import FitSettings
from trainer.settings.judging import (
    BacktestSettings,
    CalibrationSettings,
    GateSettings,
    LeakageSettings,
    RefitSettings,
    ThresholdSettings,
)
from trainer.settings.recording import CardSettings, SigningSettings, TrackingSettings
from trainer.settings.searching import RaySettings, SearchSettings


class TrainerSettings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # what was given may hold a password
    )
    file_values: ClassVar[dict[str, Any]] = {}

    data: DataSettings = DataSettings()
    """Where the transactions come from."""
    institution: Institution = Institution()
    """The institution: the same in the settings of server and trainer."""
    checks: CheckSettings = CheckSettings()
    """What is expected of the data as a whole."""
    split: SplitSettings = SplitSettings()
    """How time is cut."""
    search: SearchSettings = SearchSettings()
    """The search for a model."""
    fit: FitSettings = FitSettings()
    """The fit of the chosen setting on all rows."""
    gate: GateSettings = GateSettings()
    """What a new model must show before it takes the place of the live one."""
    leakage: LeakageSettings = LeakageSettings()
    """When a column counts as giving the label away."""
    calibration: CalibrationSettings = CalibrationSettings()
    """How margins become probabilities."""
    thresholds: ThresholdSettings = ThresholdSettings()
    """What the advice may cost."""
    refit: RefitSettings = RefitSettings()
    """The fit that is served, once its recipe has been judged."""
    backtest: BacktestSettings = BacktestSettings()
    """How a recipe is judged on folds that follow one another in time."""
    ray: RaySettings = RaySettings()
    """Where the search runs."""
    card: CardSettings = CardSettings()
    """What the model card says that no computation can know."""
    signing: SigningSettings = SigningSettings()
    """The signature under what is published."""
    tracking: TrackingSettings = TrackingSettings()
    """Where runs are recorded."""
    registry: Path = Path("registry")
    """Directory in which bundles are published."""
    work: Path = Path("work")
    """Directory for the search's state, reject files and anything a run can be resumed from."""
    hash_key: str = DEFAULT_HASH_KEY
    """Key of the hashes of ids, 32 hexadecimal digits; the server's."""

    @field_validator("hash_key")
    @classmethod
    def _is_hash_key(cls, text: str) -> str:
        secret_from_hex(text)
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic passes it by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Orders the sources: command line, environment, file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, cls.file_values)


def load(config: Path | None, overrides: dict[str, object]) -> TrainerSettings:
    """Reads the settings. Raises pydantic's ValidationError that names each wrong one.

    overrides: nested as the sections are; they win over environment and file. Raises TOMLDecodeError, and
    what `kuntur.files.paths.read_settings` raises.
    """
    values = {} if config is None else parse_toml(read_settings(config))
    loader = type("TrainerSettings", (TrainerSettings,), {"file_values": values, "__module__": __name__})
    settings: TrainerSettings = loader(**overrides)
    return settings
