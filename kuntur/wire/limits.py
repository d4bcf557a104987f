"""What is declared of fields and columns, as plain numbers, which compiled code takes in as constants."""

from __future__ import annotations

from kuntur.fields import transaction as of
from kuntur.transaction import FloatColumn, IntColumn, KeyColumn

# The values that a field may have.
MAX_ID_BYTES = of.MAX_ID_BYTES
CATEGORY_DIGITS = of.MERCHANT_CATEGORY_CODE.digits
EARLIEST_S = of.EVENT_TIME.earliest_s
MAX_AMOUNT, VERIFICATION = of.AMOUNT_MINOR.high, int(of.AMOUNT_MINOR.zero_only_for)
MIN_BALANCE, MAX_BALANCE = of.ACCOUNT_BALANCE_MINOR.low, of.ACCOUNT_BALANCE_MINOR.high
MAX_AGE_DAYS = of.ACCOUNT_AGE_DAYS.high
LAST_TYPE, LAST_CHANNEL, LAST_ACCOUNT_TYPE = of.TYPE.last, of.CHANNEL.last, of.ACCOUNT_TYPE.last
MAX_LATITUDE, MAX_LONGITUDE = of.MERCHANT_LATITUDE.high, of.MERCHANT_LONGITUDE.high
MAX_ATTRIBUTES, MAX_NAME_BYTES = of.ATTRIBUTES.most, of.ATTRIBUTES.max_name_bytes

# Where a value stands in the ints, floats and keys of a batch.
I_TIME, I_COUNTED = int(IntColumn.EVENT_TIME_US), int(IntColumn.COUNTED)
I_AMOUNT, I_BALANCE = int(IntColumn.AMOUNT_CENTS), int(IntColumn.BALANCE_CENTS)
I_TYPE, I_CHANNEL = int(IntColumn.TYPE), int(IntColumn.CHANNEL)
I_ACCOUNT_TYPE, I_AGE = int(IntColumn.ACCOUNT_TYPE), int(IntColumn.ACCOUNT_AGE_DAYS)
I_COUNTRY, I_CURRENCY = int(IntColumn.COUNTRY), int(IntColumn.CURRENCY)
I_CONTENT = int(IntColumn.CONTENT)
F_LATITUDE, F_LONGITUDE = int(FloatColumn.LATITUDE), int(FloatColumn.LONGITUDE)
K_TRANSACTION, K_ACCOUNT, K_CATEGORY = (
    int(column) for column in (KeyColumn.TRANSACTION, KeyColumn.ACCOUNT, KeyColumn.CATEGORY)
)
