"""Every field of a transaction, declared once: what it is, and which values it may have.

Messages, tables and the compiled reader take names, numbers and limits from here; tests hold
`transaction.proto`, its comments and docs/data.md against it.
"""

from __future__ import annotations

from kuntur.currency import COUNTRY_NUMBER, CURRENCY_NUMBER
from kuntur.fields.kinds import Amount, Attributes, Choice, Field, Moment, Real, Text, Whole
from kuntur.transaction import AccountType, Channel, KeyColumn, TransactionType

MAX_ID_BYTES = 128
EARLIEST_S = 631_152_000  # 1990-01-01T00:00:00Z
LATEST_S = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that datetimes and protobuf can hold

TRANSACTION_ID = Text(
    name="transaction_id",
    number=1,
    meaning="Names the transaction, once within its institution.",
    required=True,
    max_bytes=MAX_ID_BYTES,
)
INSTITUTION_ID = Text(
    name="institution_id", number=2, meaning="Names the institution that asks.", max_bytes=MAX_ID_BYTES
)
EVENT_TIME = Moment(
    name="event_time",
    number=3,
    meaning="When the customer made the transaction.",
    required=True,
    earliest_s=EARLIEST_S,
    latest_s=LATEST_S,
)
ACCOUNT_ID = Text(
    name="account_id",
    number=4,
    meaning="Names the account or card.",
    required=True,
    max_bytes=MAX_ID_BYTES,
)
AMOUNT_MINOR = Amount(
    name="amount_minor",
    number=5,
    meaning="Amount; the type tells its direction.",
    unit="minor units",
    required=True,
    low=0,
    high=10**13,
    zero_only_for=TransactionType.VERIFICATION,
)
CURRENCY_CODE = Text(
    name="currency_code",
    number=6,
    meaning="Currency of the amount.",
    required=True,
    codes=CURRENCY_NUMBER,
    form="ISO 4217, three capitals",
)
TYPE = Choice(name="type", number=7, meaning="Kind of movement.", enum=TransactionType)
CHANNEL = Choice(name="channel", number=8, meaning="Where it was made.", enum=Channel)
ACCOUNT_TYPE = Choice(name="account_type", number=9, meaning="Kind of account.", enum=AccountType)
ACCOUNT_BALANCE_MINOR = Whole(
    name="account_balance_minor",
    number=10,
    meaning="Balance of the account before the transaction, below 0 when overdrawn.",
    unit="minor units",
    low=-(10**15),
    high=10**15,
    optional=True,
)
ACCOUNT_AGE_DAYS = Whole(
    name="account_age_days",
    number=11,
    meaning="Days since the account was opened.",
    unit="days",
    low=0,
    high=100_000,
    bits=32,
    optional=True,
)
COUNTERPARTY_ACCOUNT_ID = Text(
    name="counterparty_account_id",
    number=12,
    meaning="Account on the other side of a transfer.",
    max_bytes=MAX_ID_BYTES,
)
MERCHANT_ID = Text(
    name="merchant_id", number=13, meaning="Merchant, terminal or agent.", max_bytes=MAX_ID_BYTES
)
MERCHANT_CATEGORY_CODE = Text(
    name="merchant_category_code",
    number=14,
    meaning="Merchant category.",
    digits=4,
    form="ISO 18245: four digits",
)
MERCHANT_COUNTRY_CODE = Text(
    name="merchant_country_code",
    number=15,
    meaning="Country of the merchant.",
    codes=COUNTRY_NUMBER,
    form="ISO 3166-1 alpha-2, two capitals",
)
MERCHANT_LATITUDE = Real(
    name="merchant_latitude",
    number=16,
    meaning="Latitude of the merchant or machine.",
    unit="degrees",
    low=-90.0,
    high=90.0,
    together_with="merchant_longitude",
)
MERCHANT_LONGITUDE = Real(
    name="merchant_longitude",
    number=17,
    meaning="Longitude of the merchant or machine.",
    unit="degrees",
    low=-180.0,
    high=180.0,
    together_with="merchant_latitude",
)
DEVICE_ID = Text(
    name="device_id",
    number=18,
    meaning="Phone, browser or terminal of the customer.",
    max_bytes=MAX_ID_BYTES,
)
IP_ADDRESS = Text(
    name="ip_address",
    number=19,
    meaning="Address the request came from.",
    max_bytes=45,
    form="IPv4 or IPv6 in text form",
)
ATTRIBUTES = Attributes(
    name="attributes",
    number=20,
    meaning="Inputs that only one institution has, by name.",
    most=64,
    max_name_bytes=64,
)

TRANSACTION_FIELDS: tuple[Field, ...] = (
    *(TRANSACTION_ID, INSTITUTION_ID, EVENT_TIME, ACCOUNT_ID, AMOUNT_MINOR, CURRENCY_CODE),
    *(TYPE, CHANNEL, ACCOUNT_TYPE, ACCOUNT_BALANCE_MINOR, ACCOUNT_AGE_DAYS),
    *(COUNTERPARTY_ACCOUNT_ID, MERCHANT_ID, MERCHANT_CATEGORY_CODE, MERCHANT_COUNTRY_CODE),
    *(MERCHANT_LATITUDE, MERCHANT_LONGITUDE, DEVICE_ID, IP_ADDRESS, ATTRIBUTES),
)

TEXTS = tuple(field for field in TRANSACTION_FIELDS if isinstance(field, Text))
CHOICES = tuple(field for field in TRANSACTION_FIELDS if isinstance(field, Choice))
OPTIONALS: tuple[Whole | Real, ...] = tuple(
    field
    for field in TRANSACTION_FIELDS
    if isinstance(field, Real) or (isinstance(field, Whole) and field.optional)
)
"""Numbers of which a message says whether they are given."""

KEYS: dict[KeyColumn, Text] = {
    KeyColumn.TRANSACTION: TRANSACTION_ID,
    KeyColumn.ACCOUNT: ACCOUNT_ID,
    KeyColumn.MERCHANT: MERCHANT_ID,
    KeyColumn.DEVICE: DEVICE_ID,
    KeyColumn.CATEGORY: MERCHANT_CATEGORY_CODE,
    KeyColumn.COUNTERPARTY: COUNTERPARTY_ACCOUNT_ID,
}
"""The field whose hash each column of `TransactionBatch.keys` holds, in the columns' order."""
