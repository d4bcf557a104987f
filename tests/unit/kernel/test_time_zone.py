"""Hours, nights and days of the week in the institution's time zone."""

from __future__ import annotations

import hashlib
import pickle
import zoneinfo
from datetime import UTC, datetime
from importlib import resources

import numpy as np
import pytest

from kuntur.features import FEATURE_NAMES, FeatureEngine
from kuntur.time_zone import (
    DEFAULT_TIME_ZONE,
    checked_time_zone,
    numbered_time_zone,
    time_zone,
    time_zone_names,
)
from kuntur.transaction import IntColumn, TransactionBatch
from tests.property.histories import make_history

LOCAL = ("hour", "weekday", "is_weekend", "is_night", "account_night_share")
# Of these columns for a history, taken before there were zones: Peru's results must never change.
PERU_DIGEST = "9d0ac21d661f1a321a91208750d089a1730c67439ef7e95ee6ba4bd6829efbe8"
# Clock changes of an hour, of half an hour, over the date line, around Ramadan, and of the standard time.
CHANGING = (
    "Europe/Madrid", "America/Santiago", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
    "Africa/Casablanca", "Asia/Pyongyang", "America/Caracas", "Antarctica/Troll", "America/St_Johns",
)  # fmt: skip


def batch_at(seconds: list[int]) -> TransactionBatch:
    batch, _ = make_history(len(seconds), 3)
    batch.ints[:, IntColumn.EVENT_TIME_US] = np.array(seconds, dtype=np.int64) * 1_000_000 + 999_999
    return batch


def column(features: np.ndarray, name: str) -> list[float]:
    return features[:, FEATURE_NAMES.index(name)].tolist()


def test_peru_s_features_are_what_they_were_before_zones() -> None:
    batch, outcomes = make_history(20_000, 11, days=60, accounts=200, late_share=0.05)
    features = FeatureEngine().replay(batch, outcomes)
    local = np.ascontiguousarray(features[:, [FEATURE_NAMES.index(name) for name in LOCAL]])
    assert hashlib.sha256(local.tobytes()).hexdigest() == PERU_DIGEST


@pytest.mark.parametrize("name", [*CHANGING, "America/Lima", "Asia/Kathmandu", "UTC"])
def test_hours_and_days_are_those_of_the_zone_at_each_instant(name: str) -> None:
    zone = time_zone(name)
    chance = np.random.default_rng(1)
    changes = zone.offsets[1:, 0].tolist()
    seconds = [at + by for at in changes for by in (-3600, -1, 0, 1, 3600)]
    seconds += chance.integers(946_684_800, 4_102_444_800, 500).tolist()
    rules = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    with rules.open("rb") as file:
        library = zoneinfo.ZoneInfo.from_file(file)
    told = [datetime.fromtimestamp(at, library) for at in seconds]
    features = FeatureEngine(zone=zone).process(batch_at(seconds))
    assert column(features, "hour") == [moment.hour for moment in told]
    assert column(features, "weekday") == [moment.weekday() for moment in told]
    assert column(features, "is_weekend") == [float(moment.weekday() >= 5) for moment in told]
    assert column(features, "is_night") == [float(moment.hour < 7) for moment in told]


def test_the_table_has_each_clock_change() -> None:
    assert [len(time_zone(name).offsets) for name in ("America/Lima", "America/Bogota", "UTC")] == [1, 1, 1]
    found = [str(datetime.fromtimestamp(at, UTC)) for at in time_zone("Europe/Madrid").offsets[1:3, 0]]
    assert found == ["2000-03-26 01:00:00+00:00", "2000-10-29 01:00:00+00:00"]
    assert len(time_zone("Europe/Madrid").offsets) == 1 + 2 * 100


def test_the_nights_of_an_account_are_counted_in_the_zone() -> None:
    summer, winter = (int(datetime(2026, month, 9, 5, 30, tzinfo=UTC).timestamp()) for month in (7, 1))
    batch = batch_at([winter, winter + 60, summer, summer + 60])  # 6:30 in winter, 7:30 in summer
    batch.keys[:] = batch.keys[0]
    features = FeatureEngine(zone=time_zone("Europe/Madrid")).process(batch)
    assert column(features, "is_night") == [1, 1, 0, 0]
    assert column(features, "account_night_share")[1:] == [1.0, 1.0, np.float32(2 / 3)]


def test_a_mistyped_zone_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'Europe/Madird' is not .* zone; did you mean Europe/Madrid\?"):
        checked_time_zone("Europe/Madird")
    with pytest.raises(ValueError, match="'lima' is not an IANA time zone; did you mean America/Lima"):
        checked_time_zone("lima")
    with pytest.raises(ValueError, match="'\\?' is not an IANA time zone; Peru's is America/Lima"):
        time_zone("?")


def test_a_path_is_no_zone() -> None:
    with pytest.raises(ValueError, match="not an IANA time zone"):
        time_zone("../../../../etc/passwd")


def test_zones_with_the_same_clock_agree_whatever_their_names() -> None:
    lima = time_zone(DEFAULT_TIME_ZONE)
    assert lima.agrees_with(time_zone("America/Bogota"))
    assert time_zone("Asia/Kolkata").agrees_with(time_zone("Asia/Calcutta"))
    assert not lima.agrees_with(time_zone("America/New_York"))


def test_each_zone_has_a_number_of_its_own_and_peru_s_is_that_of_files_from_before_zones() -> None:
    numbers = {time_zone(name).number for name in ("America/Lima", *CHANGING)}
    assert len(numbers) == 1 + len(CHANGING)
    assert numbered_time_zone(0) is time_zone(DEFAULT_TIME_ZONE)
    madrid = time_zone("Europe/Madrid")
    assert numbered_time_zone(madrid.number) is madrid
    assert numbered_time_zone(12_345) is None
    assert len(time_zone_names()) > 500


def test_a_zone_goes_to_another_process_by_its_name() -> None:
    madrid = time_zone("Europe/Madrid")
    assert pickle.loads(pickle.dumps(madrid)) is madrid  # noqa: S301  # our own bytes
    with pytest.raises(ValueError, match="read-only"):
        madrid.offsets[0, 0] = 1
