"""Rows on their way: numbers of accounts, merchants and devices instead of their ids."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
NONE = -1


class Cause(IntEnum):
    """Why a row exists: a legitimate wish, or one of the schemes."""

    LEGITIMATE = 0
    CARD_TESTING = 1
    ACCOUNT_TAKEOVER = 2
    COMPROMISED_MERCHANT = 3
    CASH_OUT = 4
    MULE_NETWORK = 5
    PUSH_PAYMENT = 6
    STOLEN_PHONE = 7
    SIM_SWAP = 8


CAUSE_NAMES = ("", *(cause.name.lower() for cause in Cause if cause))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as columns of length n.

    time_us: int64, since the first midnight in Lima; account: int32; merchant: int32, NONE without;
    counterparty: int32, numbers from the accounts' count on are accounts elsewhere, NONE without;
    type, channel: int8; soles: float64; in_dollars: bool; device: int64, NONE without; ip: int64,
    IPv4 as a number, 0 without; cause: int8; balance_share: float64, takes this share of the balance
    instead of `soles`, NaN otherwise.
    """

    time_us: Array
    account: Array
    merchant: Array
    counterparty: Array
    type: Array
    channel: Array
    soles: Array
    in_dollars: Array
    device: Array
    ip: Array
    cause: Array
    balance_share: Array

    def __len__(self) -> int:
        return len(self.time_us)

    def take(self, selection: Array | slice) -> Rows:
        """Returns some rows, in the order of the selection."""
        return Rows(*(getattr(self, item.name)[selection] for item in fields(self)))


def concatenate(parts: list[Rows]) -> Rows:
    """Returns the rows of all parts, one after another."""
    return Rows(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Rows)))


def make_rows(time_us: Array, account: Array, **columns: Any) -> Rows:
    """Returns rows from some columns, the others at their "without" value; scalars are repeated."""
    count = len(time_us)
    defaults: dict[str, tuple[Any, Any]] = {
        "merchant": (np.int32, NONE), "counterparty": (np.int32, NONE), "type": (np.int8, 0),
        "channel": (np.int8, 0), "soles": (np.float64, 0.0), "in_dollars": (np.bool_, False),
        "device": (np.int64, NONE), "ip": (np.int64, 0), "cause": (np.int8, 0),
        "balance_share": (np.float64, np.nan),
    }  # fmt: skip
    filled = {
        name: np.broadcast_to(np.asarray(columns.pop(name, default), dtype=dtype), (count,))
        for name, (dtype, default) in defaults.items()
    }
    if columns:
        raise TypeError(f"no such columns: {sorted(columns)}")
    return Rows(time_us=time_us.astype(np.int64), account=account.astype(np.int32), **filled)
