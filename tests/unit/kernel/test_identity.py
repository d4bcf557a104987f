from __future__ import annotations

import numpy as np
import pytest

from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.identity import SCOPED, Institutions, hash_ids, load_rest, siphash

_MASK = 2**64 - 1
_PAPER_KEY = bytes(range(16))
_SECRET = secret_from_hex(DEFAULT_HASH_KEY)


def _reference(key: bytes, data: bytes) -> int:
    """SipHash-2-4 as the paper states it, on Python's integers."""
    k0, k1 = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(x: int, by: int) -> int:
        return (x << by | x >> (64 - by)) & _MASK

    def mix() -> None:
        for a, b, turn, swap in ((0, 1, 13, True), (2, 3, 16, False), (0, 3, 21, False), (2, 1, 17, True)):
            v[a] = (v[a] + v[b]) & _MASK
            v[b] = rotate(v[b], turn) ^ v[a]
            if swap:
                v[a] = rotate(v[a], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        mix()
        mix()
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        mix()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _ours(key: bytes, data: bytes, before: int = 0, behind: int = 0) -> int:
    k0, k1 = np.frombuffer(key, dtype="<u8")
    padded = np.frombuffer(b"\xff" * before + data + b"\xff" * behind, dtype=np.uint8)
    return int(siphash(padded, before, len(data), k0, k1))


def test_the_example_of_the_paper() -> None:
    assert _ours(_PAPER_KEY, bytes(range(15))) == 0xA129CA6149BE45E5
    assert _reference(_PAPER_KEY, bytes(range(15))) == 0xA129CA6149BE45E5


def test_every_length_and_place_in_the_bytes() -> None:
    for length in range(140):
        data = bytes(range(length))
        expected = _reference(_PAPER_KEY, data)
        for before, behind in ((0, 0), (1, 0), (3, 5), (0, 9)):
            assert _ours(_PAPER_KEY, data, before, behind) == expected, length


def test_lengths_beyond_a_byte_wrap_as_the_paper_says() -> None:
    data = bytes(i % 251 for i in range(1_000))
    assert _ours(_PAPER_KEY, data) == _reference(_PAPER_KEY, data)


def test_the_rest_of_a_word_is_the_same_at_the_end_of_the_bytes() -> None:
    data = np.arange(1, 17, dtype=np.uint8)
    for length in range(8):
        expected = int.from_bytes(bytes(data[16 - length :]), "little")
        assert int(load_rest(data, 16 - length, length)) == expected
        assert int(load_rest(data, 2, length)) == int.from_bytes(bytes(data[2 : 2 + length]), "little")


def _keys(texts: list[str], scope: int) -> list[int]:
    raw = [text.encode() for text in texts]
    lengths = np.array([[len(r) for r in raw]], dtype=np.int64)
    starts = np.cumsum(lengths, axis=1) - lengths
    keys = np.empty((1, len(texts)), dtype=np.uint64)
    data = np.frombuffer(b"".join(raw), dtype=np.uint8)
    hash_ids(data, starts, lengths, np.array([scope], dtype=np.uint64), SCOPED, _SECRET, keys)
    return keys[0].tolist()


def test_an_empty_id_is_key_zero_and_no_other_is() -> None:
    keys = _keys(["t", "", "m", "", "5411", ""], 7)
    assert [key == 0 for key in keys] == [False, True, False, True, False, True]


def test_merchants_and_categories_are_shared_and_all_else_is_the_institutions_own() -> None:
    one, other = _keys(["x"] * 6, 1), _keys(["x"] * 6, 2)
    assert [a == b for a, b in zip(one, other, strict=True)] == [False, False, True, False, True, False]
    assert len(set(one)) == 6  # the same text is another id in each column


def test_institutions_are_remembered_up_to_a_limit_and_right_beyond_it() -> None:
    few = Institutions(_SECRET, limit=2)
    many = Institutions(_SECRET)
    names = ["", "a", "b", "c", "ñandú"]
    assert [few.scope(n) for n in names] == [many.scope(n) for n in names] == [few.scope(n) for n in names]
    assert few.scope("") == 0
    assert few.scope("c") == _reference(bytes.fromhex(DEFAULT_HASH_KEY), b"c")


@pytest.mark.parametrize("text", ["", "00", "zz" * 16, "00" * 17])
def test_a_hash_key_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 hexadecimal digits"):
        secret_from_hex(text)
