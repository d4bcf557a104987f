"""The catalogue in plain Python, written from its descriptions: slow, and owing nothing to the engine.

Entities are dictionaries of hop to [count, sum]; nothing is a ring, but what a ring of this many hops
would have forgotten is left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict

import numpy as np

from kuntur.features import FEATURE_NAMES
from kuntur.transaction import UNSET_INT, OutcomeBatch, TransactionBatch

NAN = math.nan
_RINGS = {"fine": (300, 12), "hourly": (3600, 24), "daily": (86400, 30)}
_WINDOWS = {"1h": ("fine", 12), "24h": ("hourly", 24), "7d": ("daily", 7), "30d": ("daily", 30)}
_FARTHEST = 2**31 - 64
_PERU, _SOL = 256 * ord("P") + ord("E"), 65536 * ord("P") + 256 * ord("E") + ord("N")


def _wrapped(value: int) -> int:
    return (value + 2**63) % 2**64 - 2**63


def _hop(time_s: int, hop_s: int) -> int:
    return min(max(time_s // hop_s, -_FARTHEST), _FARTHEST)


def _ratio(a: float, b: float) -> float:
    return a / b if b > 0 else NAN


class Entity:
    """What is known of an account, merchant, device or category."""

    def __init__(self) -> None:
        self.hops: dict[str, dict[int, list[int]]] = {ring: defaultdict(lambda: [0, 0]) for ring in _RINGS}
        self.newest: dict[str, int] = {}
        self.amounts: list[int] = []
        self.quantised: list[int] = []
        self.usual_sum = 0
        self.nights = 0
        self.latest_us: int | None = None
        self.position: tuple[float, float] | None = None
        self.position_us = 0
        self.seen: dict[str, list[int]] = defaultdict(list)  # the latest last
        self.new: dict[str, int] = defaultdict(int)
        self.reports: list[tuple[int, int, int]] = []  # hour, day, fraud

    def window(self, name: str, time_s: int) -> tuple[int, int]:
        ring, hops = _WINDOWS[name]
        hop_s, held = _RINGS[ring]
        now = _hop(time_s, hop_s)
        first = max(now - hops, max(self.newest.get(ring, now), now) - held) + 1
        found = [v for hop, v in self.hops[ring].items() if first <= hop <= now]
        return sum(v[0] for v in found), _wrapped(sum(v[1] for v in found))

    def enter(self, time_us: int, cents: int) -> None:
        for ring, (hop_s, held) in _RINGS.items():
            hop = _hop(time_us // 1_000_000, hop_s)
            self.newest[ring] = max(self.newest.get(ring, hop), hop)
            if hop > self.newest[ring] - held:
                self.hops[ring][hop][0] += 1
                self.hops[ring][hop][1] += cents

    def is_new(self, kind: str, key: int, places: int) -> float:
        if key == 0:
            return NAN
        return 0.0 if (key >> 32) in self.seen[kind][-places:] else 1.0

    def meet(self, kind: str, key: int, places: int) -> None:
        if key:
            self.new[kind] += self.is_new(kind, key, places) == 1.0
            self.seen[kind] = [part for part in self.seen[kind] if part != key >> 32] + [key >> 32]


class Oracle:
    """Histories and the features they give, a row at a time."""

    def __init__(self) -> None:
        self.entities: dict[tuple[str, int], Entity] = {}

    def _entity(self, kind: str, key: int) -> Entity:
        return self.entities.get((kind, key), Entity())

    def process(self, batch: TransactionBatch) -> np.ndarray:
        """float32 [n, catalogue]"""
        rows = [self._row(batch, i) for i in range(len(batch))]
        return np.array([[row[name] for name in FEATURE_NAMES] for row in rows], dtype=np.float64).reshape(
            len(rows), len(FEATURE_NAMES)
        )

    def report(self, outcomes: OutcomeBatch) -> None:
        for keys, time_us, fraud in zip(
            outcomes.keys.tolist(),
            outcomes.reported_time_us.tolist(),
            outcomes.is_fraud.tolist(),
            strict=True,
        ):
            hour, day = time_us // 3_600_000_000, time_us // 86_400_000_000
            for kind, key in zip(("account", "merchant", "device", "category"), keys[1:5], strict=True):
                if key and (kind != "account" or fraud):
                    self.entities.setdefault((kind, key), Entity()).reports.append((hour, day, int(fraud)))

    def replay(self, batch: TransactionBatch, outcomes: OutcomeBatch) -> np.ndarray:
        """float64 [n, catalogue]; reports of an hour are known once a transaction of a later hour has come"""
        outcomes = outcomes.rows(np.argsort(outcomes.reported_time_us, kind="stable"))
        hours = (outcomes.reported_time_us // 3_600_000_000).tolist()
        known, now, rows = 0, -(2**63), []
        for i in range(len(batch)):
            now = max(now, batch.ints[i, 0].item() // 3_600_000_000)
            until = bisect_left(hours, now)
            self.report(outcomes.rows(slice(known, until)))
            known = until
            rows.append(self.process(batch.rows(slice(i, i + 1))))
        return np.concatenate(rows)

    def _row(self, batch: TransactionBatch, i: int) -> dict[str, float]:
        _, account, merchant, device, category, counterparty = batch.keys[i].tolist()
        time_us, cents, balance, kind, channel, account_type, age, country, currency, counted, _ = batch.ints[
            i
        ].tolist()
        position = tuple(batch.floats[i].tolist())
        amount, log_amount = cents / 100, math.log1p(max(cents / 100, 0.0))
        time_s = time_us // 1_000_000
        local_s = time_s - 5 * 3600
        hour, weekday = local_s // 3600 % 24, (local_s // 86400 + 3) % 7
        row: dict[str, float] = {
            "amount": amount,
            "log_amount": log_amount,
            "amount_is_round": float(cents % 1000 == 0),
            "amount_to_balance": NAN if balance == UNSET_INT else _ratio(amount, balance / 100),
            "hour": hour,
            "weekday": weekday,
            "is_weekend": float(weekday in {5, 6}),
            "is_night": float(hour < 7),
            "type": kind or NAN,
            "channel": channel or NAN,
            "account_type": account_type or NAN,
            "account_age_days": NAN if age == UNSET_INT else age,
            "is_cross_border": NAN if country == 0 else float(country != _PERU),
            "is_foreign_currency": float(currency != _SOL),
        }
        for name, key in (
            ("account", account),
            ("merchant", merchant),
            ("device", device),
            ("category", category),
        ):
            entity = self._entity(name, key)
            found = self._windows(name, entity, time_s, amount)
            if name == "account":
                met = {
                    "merchant": merchant,
                    "device": device,
                    "country": country << 32,
                    "counterparty": counterparty,
                }
                found |= self._account(entity, time_us, cents, log_amount, position, met, found)
            else:
                found |= self._labels(name, entity, time_us)
                since = None if entity.latest_us is None else time_us - entity.latest_us
                late = since is None or since < 0 or since >= 2**63
                found[f"{name}_seconds_since_last"] = NAN if late else since / 1e6
                counts = {window: found[f"{name}_count_{window}"] for window in _WINDOWS}
                found[f"{name}_burst_24h_7d"] = _ratio(counts["24h"] * 7, counts["7d"])
                found[f"{name}_burst_7d_30d"] = _ratio(counts["7d"] * 30, counts["30d"] * 7)
            if name == "device":
                found["device_account_count"] = min(entity.new["account"], 8)
            row |= found if key else dict.fromkeys(found, NAN)
        if counted:
            self._enter(batch, i)
        return row

    def _windows(self, name: str, entity: Entity, time_s: int, amount: float) -> dict[str, float]:
        found = {}
        for window in _WINDOWS:
            count, total = entity.window(window, time_s)
            mean = total / 100 / count if count else NAN
            found[f"{name}_count_{window}"] = count
            found[f"{name}_mean_{window}"] = mean
            found[f"{name}_amount_ratio_{window}"] = _ratio(amount, mean)
            if name == "account":
                found[f"account_sum_{window}"] = total / 100
        return found

    def _account(
        self,
        entity: Entity,
        time_us: int,
        cents: int,
        log_amount: float,
        position: tuple[float, float],
        met: dict[str, int],
        windows: dict[str, float],
    ) -> dict[str, float]:
        n, time_s = len(entity.amounts), time_us // 1_000_000
        zscore = NAN
        if n >= 3:
            logs = [q / 1024 for q in entity.quantised]
            mean = sum(logs) / n
            variance = sum(q * q for q in entity.quantised) / 1024**2 / n - mean * mean
            zscore = (log_amount - mean) / max(math.sqrt(max(variance, 0.0)), 0.05)
        since = None if entity.latest_us is None else time_us - entity.latest_us
        if since is not None and not 0 <= since < 2**63:
            since = None
        distance = speed = NAN
        latitude, longitude = position
        if entity.position is not None and abs(latitude) <= 90 and abs(longitude) <= 180:
            distance = _great_circle_km(entity.position, (latitude, longitude))
            travelled = time_us - entity.position_us
            if 60_000_000 <= travelled < 2**63:
                speed = distance / (travelled / 1e6 / 3600)
        counts = {window: windows[f"account_count_{window}"] for window in _WINDOWS}
        hour = _hop(time_s, 3600)
        reported = [at for at, _, fraud in entity.reports if fraud]
        frauds = [at for at in reported if at < hour]
        # Which of the reports were there by an hour is known from the newest but one on.
        told_apart = len(set(reported)) < 2 or sorted(set(reported))[-2] < hour
        usual = entity.usual_sum / 100 / n if n else NAN
        monthly = counts["30d"]
        return {
            "account_total_count": n,
            "account_log_amount_zscore": zscore,
            "account_amount_to_max": _ratio(cents, max([0, *entity.amounts])) if n else NAN,
            "account_seconds_since_last": NAN if since is None else since / 1e6,
            "account_burst_1h_24h": _ratio(counts["1h"], counts["24h"]),
            "account_burst_24h_30d": _ratio(counts["24h"] * 30, counts["30d"]),
            "account_burst_7d_30d": _ratio(counts["7d"] * 30, counts["30d"] * 7),
            "amount_times_count_24h": log_amount * (1 + counts["24h"]),
            "distance_km": distance,
            "speed_kmh": speed,
            **{f"is_new_{what}": entity.is_new(what, key, _PLACES[what]) for what, key in met.items()},
            "account_merchant_turnover": entity.new["merchant"],
            "account_device_turnover": entity.new["device"],
            "account_fraud_count": len(frauds) if told_apart else NAN,
            "account_hours_since_fraud": hour - max(frauds) if frauds and told_apart else NAN,
            "account_usual_amount": usual,
            "account_amount_to_usual": _ratio(cents / 100, usual),
            **{
                f"account_mean_to_usual_{window}": _ratio(windows[f"account_mean_{window}"], usual)
                for window in ("24h", "7d", "30d")
            },
            "account_burst_24h_7d": _ratio(counts["24h"] * 7, counts["7d"]),
            "account_gap_to_usual": since / 1e6 * monthly / 2_592_000
            if since is not None and monthly
            else NAN,
            "account_night_share": entity.nights / n if n else NAN,
        }

    def _labels(self, name: str, entity: Entity, time_us: int) -> dict[str, float]:
        hour, day = _hop(time_us // 1_000_000, 3600), _hop(time_us // 1_000_000, 86400)
        newest_hour = max((r[0] for r in entity.reports), default=-_FARTHEST)
        newest_day = max((r[1] for r in entity.reports), default=-_FARTHEST)
        today_held = hour == day * 24 or day * 24 > newest_hour - 26
        found: dict[str, float] = {}
        for days in (1, 7, 14, 30):
            if days == 1:
                held = hour - 24 > newest_hour - 26
                known = [r for r in entity.reports if hour - 24 <= r[0] < hour]
            else:
                held = day - days > newest_day - 32 and today_held
                known = [r for r in entity.reports if day - days <= r[1] <= day and r[0] < hour]
            held = held or not entity.reports
            frauds = sum(r[2] for r in known)
            found[f"{name}_fraud_count_{days}d"] = frauds if held else NAN
            found[f"{name}_risk_{days}d"] = _ratio(frauds, len(known)) if held else NAN
        # held and known are now those of 30 days
        fraud_days = [r[1] for r in known if r[2]]
        legitimate_days = [r[1] for r in known if not r[2]]
        since_first = [r[2] for r in known if fraud_days and r[1] >= min(fraud_days)]
        run = [d for d in fraud_days if not legitimate_days or d > max(legitimate_days)]
        episode = {
            "days_since_fraud": day - max(fraud_days) if fraud_days else NAN,
            "days_since_first_fraud": day - min(fraud_days) if fraud_days else NAN,
            "days_since_legitimate": day - max(legitimate_days) if legitimate_days else NAN,
            "fraud_share_since_first": _ratio(sum(since_first), len(since_first)),
            "fraud_run": len(run),
            "fraud_run_days": day - min(run) if run else NAN,
        }
        return found | {f"{name}_{what}": value if held else NAN for what, value in episode.items()}

    def _enter(self, batch: TransactionBatch, i: int) -> None:
        _, account, merchant, device, category, counterparty = batch.keys[i].tolist()
        time_us, cents, country = batch.ints[i, 0].item(), batch.ints[i, 1].item(), batch.ints[i, 7].item()
        latitude, longitude = batch.floats[i].tolist()
        for name, key in (("merchant", merchant), ("device", device), ("category", category)):
            if key:
                entity = self.entities.setdefault((name, key), Entity())
                entity.enter(time_us, cents)
                entity.latest_us = max(time_us, entity.latest_us if entity.latest_us is not None else time_us)
                if name == "device":
                    entity.meet("account", account, 8)
        if account == 0:
            return
        entity = self.entities.setdefault(("account", account), Entity())
        entity.enter(time_us, cents)
        if entity.latest_us is None or time_us >= entity.latest_us:
            entity.latest_us = time_us
            if abs(latitude) <= 90 and abs(longitude) <= 180:
                entity.position = (round(latitude * 1e6) / 1e6, round(longitude * 1e6) / 1e6)
                entity.position_us = time_us
        # The first three count as they are, later ones up to three times the mean so far.
        n = len(entity.amounts)
        highest = 3 * entity.usual_sum // n if n >= 3 and entity.usual_sum > 0 else cents
        entity.usual_sum += min(cents, highest)
        entity.nights += (time_us // 3_600_000_000 - 5) % 24 < 7
        entity.amounts.append(cents)
        entity.quantised.append(round(math.log1p(max(cents / 100, 0.0)) * 1024))
        met = {"merchant": merchant, "device": device, "country": country << 32, "counterparty": counterparty}
        for what, key in met.items():
            entity.meet(what, key, _PLACES[what])


_PLACES = {"merchant": 12, "device": 4, "country": 4, "counterparty": 7}


def _great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    # By the chord between unit vectors; the engine uses the haversine formula.
    def vector(latitude: float, longitude: float) -> tuple[float, float, float]:
        phi, lam = math.radians(latitude), math.radians(longitude)
        return math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)

    return 2 * 6371.0088 * math.asin(min(1.0, math.dist(vector(*a), vector(*b)) / 2))


# Features with logarithms, roots or angles in them; all others are exact.
_ROUNDED = {"log_amount", "account_log_amount_zscore", "amount_times_count_24h", "distance_km", "speed_kmh"}


def assert_matches(matrix: np.ndarray, expected: np.ndarray) -> None:
    """Holds the engine's float32 matrix against the oracle's float64 one, column by column."""
    for column, name in enumerate(FEATURE_NAMES):
        ours, oracle = matrix[:, column], expected[:, column].astype(np.float32)
        if name in _ROUNDED:
            np.testing.assert_allclose(
                ours, oracle, rtol=2e-5, atol=2e-3 if "km" in name else 1e-5, err_msg=name
            )
        else:
            np.testing.assert_array_equal(ours, oracle, err_msg=name)
