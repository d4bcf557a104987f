"""Writes the golden file anew: `python -m tests.unit.kernel.features.golden`.

Takes up new features, those with another revision, and definitions that changed. A feature whose values are
others although its revision is the same stops it: raise its revision in the catalogue first. `--anew` takes
all as it is; that is for another golden history alone.
"""

from __future__ import annotations

import argparse
import sys

from tests.unit.kernel.features.golden import outputs


def main() -> int:
    """Writes the file; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anew", action="store_true", help="after a change of the golden history")
    found = outputs.computed(outputs.outputs())
    if not parser.parse_args().anew:
        _, history, golden = outputs.read()
        if history != outputs.history_digest():
            sys.stderr.write("the golden history is another one: look at every feature, then use --anew\n")
            return 1
        if changed := outputs.changed_unrevised(found, golden):
            sys.stderr.write(f"changed without a new revision: {', '.join(changed)}\n")
            return 1
    outputs.write(found)
    sys.stdout.write(f"{len(found)} features written to {outputs.FILE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
