"""What code that is compiled ahead asks of a processor: a baseline that every newer model of a family has.

Numba compiles for the very processor it runs on, and takes from disk only what was compiled for the same
model. Code for an image is made for a baseline instead. x86-64-v3 is what the kernel can use: its vectors
are of four doubles (`kuntur.compiled.inside.lanes`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Baseline:
    """A processor to compile for.

    name, features: as LLVM knows them; flags: what /proc/cpuinfo lists on a processor that has them.
    """

    name: str
    features: str
    flags: frozenset[str]


_X86_64_V3 = (
    "abm", "avx", "avx2", "bmi1", "bmi2", "cx16", "f16c", "fma", "lahf_lm", "movbe", "pni", "popcnt",
    "sse4_1", "sse4_2", "ssse3", "xsave",
)  # fmt: skip
_BASELINES = {
    "x86_64": Baseline(
        "x86-64-v3",
        "+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+cx8,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt,+sahf,"
        "+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave",
        frozenset(_X86_64_V3),
    ),
    "aarch64": Baseline("generic", "+fp-armv8,+neon", frozenset({"fp", "asimd"})),
}


def baseline() -> Baseline | None:
    """Returns the baseline of this machine's family of processors; None where none is known."""
    return _BASELINES.get(os.uname().machine)


def lacking(wanted: Baseline, processors: Path = _PROCESSORS) -> list[str]:
    """Returns what this machine's processor lacks of a baseline, as /proc/cpuinfo names it, sorted."""
    return sorted(wanted.flags - _flags(processors))


def _flags(processors: Path) -> frozenset[str]:
    try:
        with processors.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in {"flags", "Features"}:  # of the first core; on x86-64 and on ARM
                    return frozenset(value.split())
    except OSError:
        pass  # without /proc nothing is known of the processor, and nothing that was made ahead is used
    return frozenset()
