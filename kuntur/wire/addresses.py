"""IP addresses as text, compiled: the plain forms only.

What these functions accept, `ipaddress` accepts too; it decides on everything else.
"""

from __future__ import annotations

from kuntur.compiled.native import native

_DOT, _COLON, _ZERO, _NINE = ord("."), ord(":"), ord("0"), ord("9")
_V4_PARTS, _V6_GROUPS = 4, 8


@native
def _is_v4(data, start, length):
    parts, digits, value = 0, 0, 0
    for at in range(start, start + length):
        byte = data[at]
        if byte == _DOT:
            if digits == 0:
                return False
            parts += 1
            digits = value = 0
        elif _ZERO <= byte <= _NINE:
            if digits > 0 and value == 0:  # a leading zero
                return False
            digits += 1
            value = value * 10 + (byte - _ZERO)
            if value > 255:
                return False
        else:
            return False
    return parts == _V4_PARTS - 1 and digits > 0


@native
def _is_v6(data, start, length):
    groups, digits, gaps = 0, 0, 0
    at, end = start, start + length
    while at < end:
        byte = data[at]
        if byte == _COLON:
            double = at + 1 < end and data[at + 1] == _COLON
            if not double and (digits == 0 or at + 1 == end):
                return False
            if double:
                gaps += 1
                at += 1
            digits = 0
        else:
            lower = byte | 32
            if not (_ZERO <= byte <= _NINE or ord("a") <= lower <= ord("f")):
                return False
            if digits == 0:
                groups += 1
            digits += 1
            if digits > 4:
                return False
        at += 1
    return groups == _V6_GROUPS if gaps == 0 else (gaps == 1 and groups < _V6_GROUPS)


@native
def is_plain_address(data, start, length):
    """Tells whether text is an IPv4 address in four numbers or an IPv6 address in hexadecimal groups."""
    return _is_v4(data, start, length) or _is_v6(data, start, length)
