"""The column of each feature, by name; the compiled code uses no other numbers.

Numba takes the numbers of these named tuples as constants when it compiles. They come from the catalogue, so
another order there is another order of what is written; each feature is a field here too. An order in which
the code cannot write stops the import: the features of one kind of entity have to stand side by side, and
those of merchants, devices and categories in the same order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kuntur.features.catalogue import FEATURE_NAMES, feature_index
from kuntur.features.kernel import views


class TransactionColumns(NamedTuple):
    """Features of the transaction by itself."""

    amount: int
    log_amount: int
    amount_is_round: int
    amount_to_balance: int
    hour: int
    weekday: int
    is_weekend: int
    is_night: int
    type: int
    channel: int
    account_type: int
    account_age_days: int
    is_cross_border: int
    is_foreign_currency: int


class AccountColumns(NamedTuple):
    """Features of the account's history."""

    account_count_1h: int
    account_sum_1h: int
    account_mean_1h: int
    account_amount_ratio_1h: int
    account_count_24h: int
    account_sum_24h: int
    account_mean_24h: int
    account_amount_ratio_24h: int
    account_count_7d: int
    account_sum_7d: int
    account_mean_7d: int
    account_amount_ratio_7d: int
    account_count_30d: int
    account_sum_30d: int
    account_mean_30d: int
    account_amount_ratio_30d: int
    account_total_count: int
    account_log_amount_zscore: int
    account_amount_to_max: int
    account_seconds_since_last: int
    account_burst_1h_24h: int
    account_burst_24h_30d: int
    account_burst_7d_30d: int
    amount_times_count_24h: int
    distance_km: int
    speed_kmh: int
    is_new_merchant: int
    is_new_device: int
    is_new_country: int
    is_new_counterparty: int
    account_merchant_turnover: int
    account_device_turnover: int
    account_fraud_count: int
    account_hours_since_fraud: int
    account_usual_amount: int
    account_amount_to_usual: int
    account_mean_to_usual_24h: int
    account_mean_to_usual_7d: int
    account_mean_to_usual_30d: int
    account_burst_24h_7d: int
    account_gap_to_usual: int
    account_night_share: int


class ProfileColumns(NamedTuple):
    """Features of a merchant, a device or a category, counted from the first one of its kind."""

    count_1h: int
    mean_1h: int
    amount_ratio_1h: int
    count_24h: int
    mean_24h: int
    amount_ratio_24h: int
    count_7d: int
    mean_7d: int
    amount_ratio_7d: int
    count_30d: int
    mean_30d: int
    amount_ratio_30d: int
    seconds_since_last: int
    burst_24h_7d: int
    burst_7d_30d: int
    fraud_count_1d: int
    risk_1d: int
    fraud_count_7d: int
    risk_7d: int
    fraud_count_14d: int
    risk_14d: int
    fraud_count_30d: int
    risk_30d: int
    days_since_fraud: int
    days_since_first_fraud: int
    days_since_legitimate: int
    fraud_share_since_first: int
    fraud_run: int
    fraud_run_days: int


class Block(NamedTuple):
    """The columns of one kind of entity, side by side; key: where its keys stand in a transaction's."""

    key: int
    first: int
    end: int


class OrderError(ValueError):
    """An order of the catalogue in which the compiled code cannot write."""


def _named(kind: Any, prefix: str = "") -> Any:
    return kind(*(feature_index()[prefix + field] for field in kind._fields))


def _block(key: int, columns: tuple[int, ...]) -> Block:
    first, end = min(columns), max(columns) + 1
    if sorted(columns) != list(range(first, end)):
        strangers = [FEATURE_NAMES[column] for column in range(first, end) if column not in columns]
        raise OrderError(f"{', '.join(strangers)}: among the features of another kind, or in no tuple here")
    return Block(key, first, end)


def _profile(entity: str, first: int) -> ProfileColumns:
    return ProfileColumns(*(column - first for column in _named(ProfileColumns, f"{entity}_")))


OF_TRANSACTION: TransactionColumns = _named(TransactionColumns)
OF_ACCOUNT: AccountColumns = _named(AccountColumns)
DEVICE_ACCOUNT_COUNT = feature_index()["device_account_count"]

ACCOUNT_BLOCK = _block(views.ACCOUNT, OF_ACCOUNT)
MERCHANT_BLOCK = _block(views.MERCHANT, _named(ProfileColumns, "merchant_"))
DEVICE_BLOCK = _block(views.DEVICE, (*_named(ProfileColumns, "device_"), DEVICE_ACCOUNT_COUNT))
CATEGORY_BLOCK = _block(views.CATEGORY, _named(ProfileColumns, "category_"))

OF_PROFILE = _profile("merchant", MERCHANT_BLOCK.first)
for _entity, _of_entity in (("device", DEVICE_BLOCK), ("category", CATEGORY_BLOCK)):
    if _profile(_entity, _of_entity.first) != OF_PROFILE:
        raise OrderError(f"the features of the {_entity} are in another order than those of the merchant")

_BLOCKS = (ACCOUNT_BLOCK, MERCHANT_BLOCK, DEVICE_BLOCK, CATEGORY_BLOCK)
_WRITTEN = {*OF_TRANSACTION, *(column for block in _BLOCKS for column in range(block.first, block.end))}
_UNWRITTEN = [name for name, column in feature_index().items() if column not in _WRITTEN]
if _UNWRITTEN:
    raise OrderError(f"{', '.join(_UNWRITTEN)}: in the catalogue, but in no tuple of {__name__}")
