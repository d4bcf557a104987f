"""`python -m tests.fuzzing.running READER [options of libFuzzer]`: the fuzzer of one reader, in this process.

atheris counts the branches of the packages that a harness names; it has to be there, as `make fuzz` sees to.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

from tests.fuzzing.readers import READERS

_ROOT = Path(__file__).parents[2]
_OURS = ("kuntur", "server")


def _interpret() -> None:
    """Has numba's functions run as the Python that they are written in, whose branches can be counted."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    from kuntur.compiled.inside import cache

    cache.keep_compiled = lambda function: function
    order = ModuleType("kuntur.compiled.inside.order")  # Python is in order by itself
    vars(order)["in_order"] = lambda: None
    sys.modules[order.__name__] = order
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # hashes overflow on purpose


def main() -> None:
    """Runs until its time is over, or something was found."""
    import atheris

    reader = next(each for each in READERS if each.name == sys.argv[1])
    if reader.interpreted:
        _interpret()
    named = _instrumented(reader.module)
    with atheris.instrument_imports(include=named, exclude=_others(named)):
        for module in named:
            sys.modules.pop(module, None)
        harness = reader.harness()
    atheris.Setup([sys.argv[0], *sys.argv[2:]], harness.check)
    atheris.Fuzz()


def _others(named: list[str]) -> list[str]:
    """Returns our other modules: atheris takes a package whole, and what numba compiles it must not touch."""
    found = []
    for package in sorted({name.split(".")[0] for name in named} & set(_OURS)):
        for path in sorted((_ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
            if not any(module == name or module.startswith(f"{name}.") for name in named):
                found.append(module)
    return found


def _instrumented(module: str) -> list[str]:
    """Returns what a harness names, read without importing it: it has to be imported under the counters."""
    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
    return next(
        ast.literal_eval(each.value)
        for each in tree.body
        if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "INSTRUMENTED"
    )


if __name__ == "__main__":
    main()
