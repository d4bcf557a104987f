import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransactionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSACTION_TYPE_UNSPECIFIED: _ClassVar[TransactionType]
    TRANSACTION_TYPE_PURCHASE: _ClassVar[TransactionType]
    TRANSACTION_TYPE_TRANSFER: _ClassVar[TransactionType]
    TRANSACTION_TYPE_CASH_WITHDRAWAL: _ClassVar[TransactionType]
    TRANSACTION_TYPE_DEPOSIT: _ClassVar[TransactionType]
    TRANSACTION_TYPE_BILL_PAYMENT: _ClassVar[TransactionType]
    TRANSACTION_TYPE_REFUND: _ClassVar[TransactionType]
    TRANSACTION_TYPE_VERIFICATION: _ClassVar[TransactionType]

class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANNEL_UNSPECIFIED: _ClassVar[Channel]
    CHANNEL_POINT_OF_SALE: _ClassVar[Channel]
    CHANNEL_ECOMMERCE: _ClassVar[Channel]
    CHANNEL_ATM: _ClassVar[Channel]
    CHANNEL_MOBILE: _ClassVar[Channel]
    CHANNEL_WEB: _ClassVar[Channel]
    CHANNEL_BRANCH: _ClassVar[Channel]
    CHANNEL_AGENT: _ClassVar[Channel]
    CHANNEL_PHONE: _ClassVar[Channel]

class AccountType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_TYPE_UNSPECIFIED: _ClassVar[AccountType]
    ACCOUNT_TYPE_SAVINGS: _ClassVar[AccountType]
    ACCOUNT_TYPE_CHECKING: _ClassVar[AccountType]
    ACCOUNT_TYPE_CREDIT_CARD: _ClassVar[AccountType]
    ACCOUNT_TYPE_DEBIT_CARD: _ClassVar[AccountType]
    ACCOUNT_TYPE_PREPAID: _ClassVar[AccountType]
    ACCOUNT_TYPE_BUSINESS: _ClassVar[AccountType]
TRANSACTION_TYPE_UNSPECIFIED: TransactionType
TRANSACTION_TYPE_PURCHASE: TransactionType
TRANSACTION_TYPE_TRANSFER: TransactionType
TRANSACTION_TYPE_CASH_WITHDRAWAL: TransactionType
TRANSACTION_TYPE_DEPOSIT: TransactionType
TRANSACTION_TYPE_BILL_PAYMENT: TransactionType
TRANSACTION_TYPE_REFUND: TransactionType
TRANSACTION_TYPE_VERIFICATION: TransactionType
CHANNEL_UNSPECIFIED: Channel
CHANNEL_POINT_OF_SALE: Channel
CHANNEL_ECOMMERCE: Channel
CHANNEL_ATM: Channel
CHANNEL_MOBILE: Channel
CHANNEL_WEB: Channel
CHANNEL_BRANCH: Channel
CHANNEL_AGENT: Channel
CHANNEL_PHONE: Channel
ACCOUNT_TYPE_UNSPECIFIED: AccountType
ACCOUNT_TYPE_SAVINGS: AccountType
ACCOUNT_TYPE_CHECKING: AccountType
ACCOUNT_TYPE_CREDIT_CARD: AccountType
ACCOUNT_TYPE_DEBIT_CARD: AccountType
ACCOUNT_TYPE_PREPAID: AccountType
ACCOUNT_TYPE_BUSINESS: AccountType

class Transaction(_message.Message):
    __slots__ = ("transaction_id", "institution_id", "event_time", "account_id", "amount_minor", "currency_code", "type", "channel", "account_type", "account_balance_minor", "account_age_days", "counterparty_account_id", "merchant_id", "merchant_category_code", "merchant_country_code", "merchant_latitude", "merchant_longitude", "device_id", "ip_address", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_TYPE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_BALANCE_MINOR_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    COUNTERPARTY_ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_ID_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_CATEGORY_CODE_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_COUNTRY_CODE_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_LATITUDE_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    institution_id: str
    event_time: _timestamp_pb2.Timestamp
    account_id: str
    amount_minor: int
    currency_code: str
    type: TransactionType
    channel: Channel
    account_type: AccountType
    account_balance_minor: int
    account_age_days: int
    counterparty_account_id: str
    merchant_id: str
    merchant_category_code: str
    merchant_country_code: str
    merchant_latitude: float
    merchant_longitude: float
    device_id: str
    ip_address: str
    attributes: _containers.ScalarMap[str, float]
    def __init__(self, transaction_id: _Optional[str] = ..., institution_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account_id: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency_code: _Optional[str] = ..., type: _Optional[_Union[TransactionType, str]] = ..., channel: _Optional[_Union[Channel, str]] = ..., account_type: _Optional[_Union[AccountType, str]] = ..., account_balance_minor: _Optional[int] = ..., account_age_days: _Optional[int] = ..., counterparty_account_id: _Optional[str] = ..., merchant_id: _Optional[str] = ..., merchant_category_code: _Optional[str] = ..., merchant_country_code: _Optional[str] = ..., merchant_latitude: _Optional[float] = ..., merchant_longitude: _Optional[float] = ..., device_id: _Optional[str] = ..., ip_address: _Optional[str] = ..., attributes: _Optional[_Mapping[str, float]] = ...) -> None: ...
