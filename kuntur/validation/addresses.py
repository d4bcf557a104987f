"""IP addresses as text, by the standard library: the word that is final.

`kuntur.wire.addresses` and the pattern of `kuntur.validation.columns` only spare most texts the way here.
"""

from __future__ import annotations

import ipaddress

from kuntur.fields.transaction import IP_ADDRESS


def is_ip_address(text: str) -> bool:
    """Tells whether a text is an IPv4 or IPv6 address without a zone."""
    if len(text) > IP_ADDRESS.max_bytes or "%" in text:  # a zone names an interface of one machine
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
