"""The figures of the runs and their two tables: what each program took, and what each phase did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from bench.measuring.report import Sheet, median_ratio
from bench.training.runs import Run

OURS, PLAIN, OTHER = "kuntur-trainer train", "plain search", "other checkout"
# A search that is the same finds the same, but for the order in which two libraries add up.
_SAME = 1e-6
_HEADINGS = (
    "rows",
    "program",
    "seconds",
    "rows/s",
    "its search",
    "peak of its process",
    "largest worker",
    "all",
)


def differing(ours: Run, plain: Run) -> list[str]:
    """Says in which trials two searches of the same settings did not find the same."""
    both = sorted(ours.trials.keys() & plain.trials.keys())
    if not both:
        return ["no trial ran to its end in both searches"]
    return [
        f"trial {number}: {ours.trials[number]:.6f} and {plain.trials[number]:.6f}"
        for number in both
        if abs(ours.trials[number] - plain.trials[number]) > _SAME
    ]


def figures(rows: int, rounds: Sequence[dict[str, Run]]) -> dict[str, float]:
    """Returns the medians of some rounds on so many rows, by names that begin with the rows, and ratios.

    Ratios are of Kuntur's to the other's of the same round, so below 1 where Kuntur takes less.
    """
    found: dict[str, float] = {}
    for program, name in ((OURS, "train"), (PLAIN, "plain"), (OTHER, "other")):
        if program not in rounds[0]:
            continue
        runs = [each[program] for each in rounds]
        values = {
            "seconds": [run.taken.seconds for run in runs],
            "main_gb": [run.taken.main_bytes / 1e9 for run in runs],
            "worker_gb": [run.taken.worker_bytes / 1e9 for run in runs],
            "all_gb": [run.taken.all_bytes / 1e9 for run in runs],
        }
        if None not in (searched := [run.search_s for run in runs]):
            values["search_s"] = [seconds for seconds in searched if seconds is not None]
        if None not in (precisions := [run.average_precision for run in runs]):
            values["average_precision"] = [value for value in precisions if value is not None]
        found |= {f"{rows}_{name}_{key}": median(each) for key, each in values.items()}
    found[f"{rows}_rows_per_s"] = rows / found[f"{rows}_train_seconds"]
    found[f"{rows}_main_gb_a_million"] = found[f"{rows}_train_main_gb"] / rows * 1e6
    if PLAIN in rounds[0]:
        found[f"{rows}_ratio_search_to_plain"] = _ratio(rounds, PLAIN, lambda run: run.search_s or 0.0)
        found[f"{rows}_ratio_all_to_plain"] = _ratio(rounds, PLAIN, lambda run: run.taken.all_bytes)
    if OTHER in rounds[0]:
        found[f"{rows}_ratio_to_other"] = _ratio(rounds, OTHER, lambda run: run.taken.seconds)
        found[f"{rows}_ratio_main_to_other"] = _ratio(rounds, OTHER, lambda run: run.taken.main_bytes)
    return found


def _ratio(rounds: Sequence[dict[str, Run]], other: str, value: Callable[[Run], float]) -> float:
    return median_ratio([value(each[OURS]) for each in rounds], [value(each[other]) for each in rounds])


def programs(found: dict[str, float], sizes: Sequence[int], trials: int) -> Sheet:
    """Returns the table of the programs from the figures of all sizes."""
    rows: list[tuple[str, ...]] = []
    for size in sizes:
        for program, name in ((OURS, "train"), (PLAIN, "plain"), (OTHER, "other")):
            if (seconds := found.get(f"{size}_{name}_seconds")) is None:
                continue
            search = found.get(f"{size}_{name}_search_s")
            memory = (f"{found[f'{size}_{name}_{key}_gb']:.2f} GB" for key in ("main", "worker", "all"))
            rate = f"{size / seconds:,.0f}" if name != "plain" else ""
            told = "" if search is None else f"{search:.0f} s"
            rows.append((f"{size:,}", program, f"{seconds:.0f}", rate, told, *memory))
        rows += _ratios(found, size)
    return Sheet(f"Training with {trials} trials, each program a process of its own", _HEADINGS, rows)


def _ratios(found: dict[str, float], size: int) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    if f"{size}_ratio_search_to_plain" in found:
        search, memory = (f"{found[f'{size}_ratio_{what}_to_plain']:.2f}" for what in ("search", "all"))
        rows.append((f"{size:,}", "the first to the plain search", "", "", search, "", "", memory))
    if f"{size}_ratio_to_other" in found:
        seconds, memory = (f"{found[f'{size}_ratio_{what}']:.2f}" for what in ("to_other", "main_to_other"))
        rows.append((f"{size:,}", "the first to the other checkout", seconds, "", "", memory, "", ""))
    return rows


def phases(found: dict[int, Run]) -> Sheet:
    """Returns the table of the phases from a run of each size."""
    names = [phase["name"] for phase in next(iter(found.values())).phases]
    headings = ["phase"]
    for size in found:
        headings += [f"{size:,} rows", "peak", "largest worker"]
    rows = []
    for place, name in enumerate(names):
        cells = [name]
        for run in found.values():
            phase = run.phases[place]
            cells.append(f"{phase['seconds']:.1f} s")
            cells += [f"{phase[key] / 1e9:.2f} GB" for key in ("peak_bytes", "worker_peak_bytes")]
        rows.append(tuple(cells))
    return Sheet("Phases of `kuntur-trainer train`", tuple(headings), rows)


def phase_seconds(found: dict[int, Run]) -> dict[str, float]:
    """Returns the seconds of all phases as figures, such as `1000000_search_s`."""
    return {
        f"{size}_{phase['name']}_s": phase["seconds"] for size, run in found.items() for phase in run.phases
    }
