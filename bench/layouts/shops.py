"""Card payments in shops of named kinds, with words for ids and the places of shops and holders.

Not Kuntur's generator, and another kind of fraud: a stolen card is emptied in one or two nights, in the
kinds of shop that pay a thief, with some two to four times what the holder spends there. Holders too go out
at night, and once in a while buy something big.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

# Kind of shop: mean of the log amount, its spread, how often a holder goes there, how many times the usual
# amount a thief spends there (0: a thief does not go).
_KINDS: dict[str, tuple[float, float, float, float]] = {
    "groceries": (3.9, 0.5, 5.0, 2.5),
    "fuel": (4.0, 0.3, 3.0, 0.0),
    "home": (3.6, 0.8, 2.0, 2.0),
    "shopping_net": (3.7, 1.1, 1.5, 4.0),
    "shopping_shop": (3.8, 1.0, 1.5, 3.5),
    "misc_net": (3.4, 1.2, 1.2, 3.5),
    "food": (3.5, 0.6, 3.0, 0.0),
    "travel": (4.6, 1.2, 0.3, 0.0),
    "health": (3.7, 0.8, 1.0, 0.0),
    "leisure": (3.6, 0.8, 1.5, 2.5),
}
_STOLEN_SPREAD = 0.7  # of the log amount
_BY_NIGHT = 0.6  # of the thefts
_BIG, _BIG_TIMES = 0.03, 3.0  # how often a holder spends how many times the usual amount
_NIGHT_HOURS = (22, 23, 0, 1, 2, 3)
_DAY_S = 86_400


def make(path: Path, *, holders: int, days: int, seed: int) -> int:
    """Writes CSV and gives how many rows; the same arguments give the same bytes.

    holders: card holders, each with about 1.5 payments a day; about one in 30 is robbed in 30 days.
    """
    chance = np.random.default_rng(seed)
    kinds = list(_KINDS)
    shops = max(holders // 2, 50)
    shop_kind = chance.integers(0, len(kinds), shops)
    shop_place = np.column_stack([chance.uniform(-16, -5, shops), chance.uniform(-80, -70, shops)])
    home = np.column_stack([chance.uniform(-16, -5, holders), chance.uniform(-80, -70, holders)])
    taste = chance.dirichlet([_KINDS[kind][2] for kind in kinds], size=holders)
    purse = chance.normal(0, 0.4, holders)

    count = chance.poisson(1.5 * days, holders)
    holder = np.repeat(np.arange(holders), count)
    kind = np.array([chance.choice(len(kinds), p=taste[h]) for h in holder])
    hour = np.clip(chance.normal(15, 4, len(holder)), 0, 23.99)
    second = chance.integers(0, days, len(holder)) * _DAY_S + (hour * 3600).astype(np.int64)
    means, spreads = (np.array([_KINDS[k][i] for k in kinds]) for i in (0, 1))
    big = np.where(chance.random(len(holder)) < _BIG, np.log(_BIG_TIMES), 0.0)
    amount = np.exp(chance.normal(means[kind], spreads[kind]) + purse[holder] + big)
    fraud = np.zeros(len(holder), dtype=np.int64)

    paying = [i for i, k in enumerate(kinds) if _KINDS[k][3] > 0]
    robbed = np.flatnonzero(chance.random(holders) < days / 900)
    for victim in robbed:
        night = int(chance.integers(0, max(days - 2, 1)))
        times = int(chance.integers(1, 10))
        stolen_kind = chance.choice(paying, times)
        by_night = chance.random(times) < _BY_NIGHT
        hours = np.where(by_night, chance.choice(_NIGHT_HOURS, times), chance.integers(9, 22, times))
        stolen_hour = hours + 24 * chance.integers(0, 2, times)
        holder = np.concatenate([holder, np.full(times, victim)])
        kind = np.concatenate([kind, stolen_kind])
        second = np.concatenate(
            [second, night * _DAY_S + stolen_hour * 3600 + chance.integers(0, 3600, times)]
        )
        usual = means[stolen_kind] + purse[victim] + np.log([_KINDS[kinds[k]][3] for k in stolen_kind])
        amount = np.concatenate([amount, np.exp(chance.normal(usual, _STOLEN_SPREAD))])
        fraud = np.concatenate([fraud, np.ones(times, dtype=np.int64)])

    by_kind = [np.flatnonzero(shop_kind == k) for k in range(len(kinds))]
    shop = np.array([chance.choice(by_kind[k]) for k in kind])
    order = np.argsort(second, kind="stable")
    when = pl.Series(second[order]).cast(pl.Int64) + 1_704_067_200  # 2024-01-01
    frame = pl.DataFrame(
        {
            "trans_num": [f"t{n:08x}" for n in range(len(order))],
            "trans_time": pl.from_epoch(when, time_unit="s").dt.strftime("%Y-%m-%d %H:%M:%S"),
            "card": [f"card-{h:06d}" for h in holder[order]],
            "shop": [f"{kinds[shop_kind[s]]} & sons {s}" for s in shop[order]],
            "category": [kinds[k] for k in kind[order]],
            "amt": np.round(amount[order], 2),
            "lat": home[holder[order], 0].round(4),
            "long": home[holder[order], 1].round(4),
            "shop_lat": shop_place[shop[order], 0].round(4),
            "shop_long": shop_place[shop[order], 1].round(4),
            "is_fraud": np.where(fraud[order] == 1, "yes", "no"),
        }
    )
    frame.write_csv(path)
    return frame.height
