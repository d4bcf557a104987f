from __future__ import annotations

import threading
from pathlib import Path

import pytest

from server.scoring import Scorer
from tests.support.bundles import publish
from tests.support.serving import running_server, transaction, unary, wait_until

_PATIENCE_S = 60.0


def test_a_server_whose_calls_never_end_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()
    score = Scorer.score

    def hang(self: Scorer, *arguments: object) -> object:
        hangs.set()
        goes_on.wait(_PATIENCE_S)
        return score(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Scorer, "score", hang)
    publish(tmp_path, "m-1")
    with running_server(tmp_path) as server:
        server.wait_until_live("m-1")
        assert server.app.responsive(_PATIENCE_S)
        call = server.stubs.scoring.ScoreTransaction.future(unary(transaction()))
        wait_until(hangs.is_set)
        try:
            # Other threads of the process go on all the while, this one for example.
            assert not server.app.responsive(0.5)
        finally:
            goes_on.set()
        assert call.result(_PATIENCE_S).score.transaction_id
        assert server.app.responsive(_PATIENCE_S)
