"""What is used of numba's inside is as it was tested, and what takes over where it is not gives the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.caching import NullCache

from kuntur.compiled.inside import cache, lanes, making, order, prefetch, words
from kuntur.compiled.native import native, native_free_ieee

_WITHOUT = """
import json, logging, sys
warned = []
class Handler(logging.Handler):
    def emit(self, record):
        if " does without" in record.getMessage():
            warned.append(record.getMessage().split(" does without")[0])
logging.getLogger("kuntur").addHandler(Handler())
import kuntur
from numba.core.cpu import CPUTargetOptions
del next(kind for kind in CPUTargetOptions.__mro__ if "_nrt" in vars(kind))._nrt
import numpy as np
from kuntur.compiled.inside import llvm
llvm.ir = None
from kuntur.compiled.inside import lanes, making, prefetch, words
from kuntur.compiled.native import native
@native
def read(data):
    prefetch.prefetch_word(data, 0)
    return words.load_word(data, 1)
print(json.dumps({
    "fetches": prefetch.FETCHES, "at_once": words.LOADS_AT_ONCE, "by_four": lanes.BY_FOUR,
    "borrowing": making.BORROWING, "read": int(read(np.arange(9, dtype=np.uint8))), "warned": warned,
}))
"""


def _llvm(function: Any) -> str:
    return "".join(function.inspect_llvm().values())


def test_numba_s_inside_is_as_it_was_tested() -> None:
    assert prefetch.FETCHES
    assert words.LOADS_AT_ONCE
    assert lanes.BY_FOUR
    assert making.BORROWING == {"_nrt": False}
    assert cache.is_known()


def test_memory_is_asked_for_and_writes_keep_their_order() -> None:
    @native
    def write(memory: Any) -> None:
        prefetch.prefetch_word(memory, 0)
        memory[0] = 1
        order.in_order()
        memory[0] = 2

    write._cache = NullCache()  # of what an earlier run kept, numba shows nothing
    memory = np.zeros(8, dtype=np.int64)
    write(memory)
    assert memory[0] == 2
    assert "llvm.prefetch" in _llvm(write)
    assert "fence syncscope" in _llvm(write)


@pytest.mark.parametrize("load", [words.load_word, words.load_by_bytes], ids=["at once", "by bytes"])
def test_eight_bytes_are_read_little_end_first_from_anywhere(load: Any) -> None:
    data = np.random.default_rng(1).integers(0, 256, 40, dtype=np.uint8)
    for start in range(32):
        assert int(load(data, start)) == int.from_bytes(data[start : start + 8].tobytes(), "little")


def test_four_numbers_at_a_time_are_the_same_bits_as_one_after_the_other() -> None:
    def passes(descend: Any, ascend: Any) -> Any:
        @native_free_ieee
        def run(reach: Any, inverse: Any, weight: Any, rest: Any, points: Any) -> float:
            descend(reach, inverse, weight, rest, points, 0, 4, 8, 12, 4, 1.0, 0.0, 0.3, 0.7)
            return ascend(reach, weight, 4, 8, 12, 4, 0.25, -3.5)

        return run

    four, one = passes(lanes.descend, lanes.ascend), passes(lanes.descend_singly, lanes.ascend_singly)
    chance = np.random.default_rng(2)
    for _ in range(50):
        arrays = [chance.normal(size=16) for _ in range(3)] + [chance.random(4) for _ in range(2)]
        other = [array.copy() for array in arrays]
        assert four(*arrays) == one(*other)
        assert [array.tobytes() for array in arrays] == [array.tobytes() for array in other]


def test_without_the_inside_the_plain_ways_serve_and_say_so(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment["NUMBA_CPU_NAME"] = "generic"  # so that nothing that was made ahead is loaded
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT],
        env=environment | {"NUMBA_CACHE_DIR": str(tmp_path)},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "fetches": False,
        "at_once": False,
        "by_four": False,
        "borrowing": {},
        "read": 0x0807060504030201,
        "warned": ["reasons of scores", "fetching records ahead", "hashing ids"],
    }
