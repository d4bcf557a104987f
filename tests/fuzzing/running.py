"""`python -m tests.fuzzing.running READER [options of libFuzzer]`: the fuzzer of one reader, in this process.

atheris counts the branches of the packages that a harness names; it has to be there, as `make fuzz` sees to.
"""

from __future__ import annotations

import os
import sys
import warnings

from tests.fuzzing.readers import READERS


def _interpret() -> None:
    """Has numba's functions run as the Python that they are written in, whose branches can be counted."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    from kuntur.compiled.inside import cache

    cache.keep_compiled = lambda function: function
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # hashes overflow on purpose


def main() -> None:
    """Runs until its time is over, or something was found."""
    import atheris

    reader = next(each for each in READERS if each.name == sys.argv[1])
    if reader.interpreted:
        _interpret()
    named = _instrumented(reader.module)
    with atheris.instrument_imports(include=named):
        for module in named:
            sys.modules.pop(module, None)
        harness = reader.harness()
    atheris.Setup([sys.argv[0], *sys.argv[2:]], harness.check)
    atheris.Fuzz()


def _instrumented(module: str) -> list[str]:
    """Returns what a harness names, read without importing it: it has to be imported under the counters."""
    import ast
    from pathlib import Path

    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8"))
    return next(
        ast.literal_eval(each.value)
        for each in tree.body
        if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "INSTRUMENTED"
    )


if __name__ == "__main__":
    main()
