"""What each fold of a backtest fitted, in words, and whether `train` would fit the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.backtest.choosing import Chosen
from trainer.backtest.run import Round
from trainer.models import Parameters
from trainer.wording import number


def told_recipes(rounds: Sequence[Round], chosen: Sequence[Chosen], *, searched: bool) -> Iterator[str]:
    """Gives the lines; searched: whether each fold searched its recipe."""
    for one, what in zip(rounds, chosen, strict=True):
        if what.text:
            yield f"Tested from {one.fold.test_start}: {_written(what.parameters)}. Chosen: {what.text}."
    if not searched:
        yield (
            "Judged is a recipe that was given before. train would search its own at each of these dates: "
            "--search judges what it would choose."
        )


def _written(parameters: Parameters) -> str:
    settings = (
        f"{name} {number(value) if isinstance(value, float) else value}"
        for name, value in parameters.items()
        if name != "algorithm"
    )
    return f"{parameters['algorithm']}, {', '.join(settings)}"
