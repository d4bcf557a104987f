from __future__ import annotations

import pytest
import typer

from trainer.cli.faults import told, training
from trainer.cluster.connection import ClusterError
from trainer.search.run import SearchFailedError
from trainer.sources.split import TooLittleHistoryError


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted; start again with the same --work to go on"),
        (SearchFailedError("no trial"), 1, "nothing was published: no trial"),
        (ClusterError("no [red] Ray"), 2, "error: no [red] Ray"),
        (TooLittleHistoryError("one day"), 2, "error: one day"),
    ],
)
def test_a_training_run_that_ends_early_says_why(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, training():
        raise error
    assert ended.value.exit_code == code
    assert capsys.readouterr() == ("", says + "\n")


def test_what_nobody_foresaw_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), told(ValueError), training():
        raise ZeroDivisionError
