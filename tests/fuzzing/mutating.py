"""Mutations by a seed, for runs without a fuzzer: much the same changes, without being led by coverage."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


def mutated(seeds: Sequence[bytes], words: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """Yields so many changed inputs."""
    chance = random.Random(seed)
    for _ in range(count):
        raw = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            _change(raw, seeds, words, chance)
        yield bytes(raw)


def _change(raw: bytearray, seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(raw) + 1)
    match chance.randrange(6):
        case 0 if at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
        case 1:
            raw[at : at + 1] = chance.randbytes(1)
        case 2:
            raw[at:at] = chance.choice(words)
        case 3:
            word = chance.choice(words)
            raw[at : at + len(word)] = word
        case 4:
            del raw[at : at + chance.randint(1, 32)]
        case _:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            raw[at:at] = other[start : start + chance.randint(1, 64)]
