"""What a transaction is to Kuntur: the value a person handles, and the columns the engine computes on.

Neither knows how transactions arrive. Conversion from the wire is in `kuntur.wire`, from tables in
`kuntur.tables.columns`; which values each field may have is in `kuntur.fields`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

import numpy as np
import numpy.typing as npt

ATTRIBUTE_PREFIX = "attribute."  # in front of an attribute's name, where features or columns have names
UNSET_INT = np.iinfo(np.int64).min  # stands for an optional integer that was not given


class TransactionType(IntEnum):
    """Kinds of movement; the numbers are those of the protobuf enum."""

    UNSPECIFIED = 0
    PURCHASE = 1
    TRANSFER = 2
    CASH_WITHDRAWAL = 3
    DEPOSIT = 4
    BILL_PAYMENT = 5
    REFUND = 6
    VERIFICATION = 7


class Channel(IntEnum):
    """Where a transaction is made; the numbers are those of the protobuf enum."""

    UNSPECIFIED = 0
    POINT_OF_SALE = 1
    ECOMMERCE = 2
    ATM = 3
    MOBILE = 4
    WEB = 5
    BRANCH = 6
    AGENT = 7
    PHONE = 8


class AccountType(IntEnum):
    """Kinds of account; the numbers are those of the protobuf enum."""

    UNSPECIFIED = 0
    SAVINGS = 1
    CHECKING = 2
    CREDIT_CARD = 3
    DEBIT_CARD = 4
    PREPAID = 5
    BUSINESS = 6


class OutcomeLabel(IntEnum):
    """What a transaction turned out to be; the numbers are those of the protobuf enum."""

    FRAUD = 1
    LEGITIMATE = 2


class IntColumn(IntEnum):
    """Columns of `TransactionBatch.ints`."""

    EVENT_TIME_US = 0  # microseconds since 1970-01-01T00:00:00Z
    AMOUNT_CENTS = 1  # hundredths of the currency's unit
    BALANCE_CENTS = 2  # the same; UNSET_INT when not given
    TYPE = 3
    CHANNEL = 4
    ACCOUNT_TYPE = 5
    ACCOUNT_AGE_DAYS = 6  # UNSET_INT when not given
    COUNTRY = 7  # two capitals as 256 * first + second; 0 when not given
    CURRENCY = 8  # three capitals as 65536 * first + 256 * second + third
    COUNTED = 9  # 1 when the transaction enters the history, 0 when it is only scored
    CONTENT = 10  # hash of its bytes as they came; 0 where it did not come in a message


class FloatColumn(IntEnum):
    """Columns of `TransactionBatch.floats`."""

    LATITUDE = 0  # degrees; NaN when not given
    LONGITUDE = 1


class KeyColumn(IntEnum):
    """Columns of `TransactionBatch.keys`: keyed hashes of ids, 0 when the id is empty."""

    TRANSACTION = 0
    ACCOUNT = 1
    MERCHANT = 2
    DEVICE = 3
    CATEGORY = 4
    COUNTERPARTY = 5


@dataclass(frozen=True, slots=True)
class Transaction:
    """One movement of money, as an institution describes it; fields as in `transaction.proto`."""

    transaction_id: str
    event_time: datetime
    account_id: str
    amount_minor: int
    currency_code: str
    institution_id: str = ""
    type: TransactionType = TransactionType.UNSPECIFIED
    channel: Channel = Channel.UNSPECIFIED
    account_type: AccountType = AccountType.UNSPECIFIED
    account_balance_minor: int | None = None
    account_age_days: int | None = None
    counterparty_account_id: str = ""
    merchant_id: str = ""
    merchant_category_code: str = ""
    merchant_country_code: str = ""
    merchant_latitude: float | None = None
    merchant_longitude: float | None = None
    device_id: str = ""
    ip_address: str = ""
    attributes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TransactionBatch:
    """Transactions as a struct of arrays, in the order in which they are to be counted.

    keys: uint64 [n, len(KeyColumn)]; ints: int64 [n, len(IntColumn)]; floats: float64
    [n, len(FloatColumn)]; attributes: name to float64 [n], NaN where a row has none.
    """

    keys: npt.NDArray[np.uint64]
    ints: npt.NDArray[np.int64]
    floats: npt.NDArray[np.float64]
    attributes: dict[str, npt.NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.ints)

    def rows(self, selection: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> TransactionBatch:
        """Returns some of the rows, in the order of the selection."""
        return TransactionBatch(
            np.ascontiguousarray(self.keys[selection]),
            np.ascontiguousarray(self.ints[selection]),
            np.ascontiguousarray(self.floats[selection]),
            {name: values[selection] for name, values in self.attributes.items()},
        )


@dataclass(frozen=True, slots=True)
class OutcomeBatch:
    """What became known of transactions, as columns, in any order.

    keys: uint64 [n, len(KeyColumn)], those of the transaction; reported_time_us: int64 [n],
    microseconds since the epoch; is_fraud: bool [n].
    """

    keys: npt.NDArray[np.uint64]
    reported_time_us: npt.NDArray[np.int64]
    is_fraud: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.is_fraud)

    def rows(self, selection: slice | npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> OutcomeBatch:
        """Returns some of the rows, in the order of the selection."""
        return OutcomeBatch(
            np.ascontiguousarray(self.keys[selection]),
            np.ascontiguousarray(self.reported_time_us[selection]),
            np.ascontiguousarray(self.is_fraud[selection]),
        )
