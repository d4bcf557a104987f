"""The compiled look at IP addresses against the standard library's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kuntur.validation.messages import is_ip_address
from kuntur.wire.addresses import is_plain_address
from tests.support.examples import examples

_GROUPS = st.one_of(st.text("0123456789abcdefABCDEF", max_size=5), st.just(""))
_NUMBERS = st.one_of(st.integers(0, 260).map(str), st.text("0123456789", max_size=4))
_TEXTS = st.one_of(
    st.lists(_GROUPS, max_size=10).map(":".join),
    st.lists(_NUMBERS, max_size=5).map(".".join),
    st.text("0129af:.%g", max_size=20),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
)


def _is_plain(text: str) -> bool:
    raw = b"x" + text.encode() + b"x"
    return bool(is_plain_address(raw, 1, len(raw) - 2))


@examples(2_000)
@given(_TEXTS)
def test_what_it_takes_is_an_address(text: str) -> None:
    assert not _is_plain(text) or is_ip_address(text)


@examples(500)
@given(st.ip_addresses())
def test_it_takes_every_address_in_its_usual_form(address: object) -> None:
    assert _is_plain(str(address)) or "." in str(address)[4:]
    assert _is_plain(address.exploded)  # type: ignore[attr-defined]  # both kinds have it
    assert _is_plain(str(address).upper())
