"""What every `HistoryStore` must do. A test module inherits `HistoryStoreContract` and gives a `store`."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from kuntur.features import FEATURE_NAMES, FeatureEngine, FeatureMatrix
from kuntur.history.outcomes import OutcomeStatus
from kuntur.transaction import UNSET_INT, IntColumn, KeyColumn, OutcomeBatch, TransactionBatch
from server.state import HistoryStore

START_US = 1_714_521_600_000_000  # 2024-05-01T00:00:00Z
HOUR_US = 3_600_000_000
CAPACITY = 256  # recent transactions that the store under test is to remember
_COUNT = FEATURE_NAMES.index("account_total_count")
_FRAUDS = FEATURE_NAMES.index("account_fraud_count")


def transactions(ids: list[int], *, account: int = 7, start_us: int = START_US) -> TransactionBatch:
    """Returns transactions of one account, a minute apart."""
    n = len(ids)
    keys = np.zeros((n, len(KeyColumn)), dtype=np.uint64)
    keys[:, KeyColumn.TRANSACTION] = ids
    keys[:, KeyColumn.ACCOUNT] = account
    keys[:, KeyColumn.MERCHANT] = 11
    ints = np.zeros((n, len(IntColumn)), dtype=np.int64)
    ints[:, IntColumn.EVENT_TIME_US] = start_us + np.arange(n) * 60_000_000
    ints[:, IntColumn.AMOUNT_CENTS] = 1_000
    ints[:, [IntColumn.BALANCE_CENTS, IntColumn.ACCOUNT_AGE_DAYS]] = UNSET_INT
    ints[:, IntColumn.COUNTED] = 1
    return TransactionBatch(keys, ints, np.full((n, 2), np.nan), {})


def outcomes(ids: list[int], *, fraud: bool = True, reported_us: int = START_US + HOUR_US) -> OutcomeBatch:
    """Returns outcomes, all reported at once."""
    keys = np.zeros((len(ids), len(KeyColumn)), dtype=np.uint64)
    keys[:, KeyColumn.TRANSACTION] = ids
    return OutcomeBatch(keys, np.full(len(ids), reported_us), np.full(len(ids), fraud))


def counted(matrix: FeatureMatrix) -> list[float]:
    """Returns how many earlier transactions each row saw."""
    return [float(value) for value in matrix[:, _COUNT]]


class HistoryStoreContract:
    """The contract; `store` starts empty and remembers `CAPACITY` transactions."""

    @pytest.fixture
    def store(self) -> HistoryStore:
        raise NotImplementedError

    def frauds_seen(self, store: HistoryStore, probe: int) -> float:
        """Returns how many reported frauds of the account a later transaction sees."""
        later = transactions([probe], start_us=START_US + 5 * HOUR_US)
        return float(store.score_features(later)[0, _FRAUDS])

    def test_features_are_those_of_the_engine(self, store: HistoryStore) -> None:
        batch = transactions(list(range(1, 41)))
        expected = FeatureEngine().process(transactions(list(range(1, 41))))
        found = [store.score_features(batch.rows(slice(i, i + 8))) for i in range(0, 40, 8)]
        assert np.concatenate(found).tobytes() == expected.tobytes()

    def test_a_transaction_sees_those_before_it_and_never_itself(self, store: HistoryStore) -> None:
        assert counted(store.score_features(transactions([1, 2, 3]))) == [0, 1, 2]
        assert counted(store.score_features(transactions([4]))) == [3]

    def test_a_transaction_that_comes_again_is_answered_and_not_counted(self, store: HistoryStore) -> None:
        store.score_features(transactions([1, 2]))
        assert counted(store.score_features(transactions([2]))) == [2]
        assert counted(store.score_features(transactions([3]))) == [2]
        assert store.counts().repeated == 1

    def test_twins_within_a_batch_are_counted_once(self, store: HistoryStore) -> None:
        store.score_features(transactions([1, 1, 1]))
        assert counted(store.score_features(transactions([2]))) == [1]
        assert store.counts().repeated == 2

    def test_accounts_do_not_see_each_other(self, store: HistoryStore) -> None:
        store.score_features(transactions([1, 2], account=7))
        assert counted(store.score_features(transactions([3], account=8))) == [0]

    def test_backfill_counts_and_tells_how_many_were_known(self, store: HistoryStore) -> None:
        assert store.backfill(transactions([1, 2, 3])) == 0
        assert store.backfill(transactions([3, 4])) == 1
        assert counted(store.score_features(transactions([5]))) == [4]

    def test_the_oldest_transactions_are_forgotten_by_id_first(self, store: HistoryStore) -> None:
        store.backfill(transactions(list(range(1, CAPACITY + 2))))
        assert store.counts().recent_transactions == CAPACITY
        statuses = store.report(outcomes([1, 2, CAPACITY + 1], reported_us=START_US + 24 * HOUR_US))
        assert statuses.tolist() == [OutcomeStatus.UNKNOWN, OutcomeStatus.APPLIED, OutcomeStatus.APPLIED]

    def test_an_outcome_is_seen_by_later_hours_only(self, store: HistoryStore) -> None:
        store.score_features(transactions([1]))
        store.report(outcomes([1], reported_us=START_US + HOUR_US))
        same_hour = store.score_features(transactions([2], start_us=START_US + HOUR_US + 1))
        assert same_hour[0, _FRAUDS] == 0
        assert self.frauds_seen(store, 3) == 1

    def test_the_same_outcome_again_changes_nothing(self, store: HistoryStore) -> None:
        store.score_features(transactions([1]))
        store.report(outcomes([1]))
        assert store.report(outcomes([1])).tolist() == [OutcomeStatus.REPEATED]
        assert self.frauds_seen(store, 2) == 1

    def test_a_corrected_outcome_takes_the_earlier_one_back(self, store: HistoryStore) -> None:
        store.score_features(transactions([1]))
        store.report(outcomes([1]))
        assert store.report(outcomes([1], fraud=False)).tolist() == [OutcomeStatus.CORRECTED]
        assert self.frauds_seen(store, 2) == 0

    def test_an_outcome_before_its_transaction_is_not_applied(self, store: HistoryStore) -> None:
        store.score_features(transactions([1]))
        statuses = store.report(outcomes([1], reported_us=START_US - 1))
        assert statuses.tolist() == [OutcomeStatus.BEFORE_EVENT]
        assert self.frauds_seen(store, 2) == 0

    def test_outcomes_of_transactions_that_were_backfilled_are_known(self, store: HistoryStore) -> None:
        store.backfill(transactions([1]))
        assert store.report(outcomes([1])).tolist() == [OutcomeStatus.APPLIED]

    def test_a_correction_is_seen_by_later_hours_only(self, store: HistoryStore) -> None:
        store.score_features(transactions([1]))
        store.report(outcomes([1]))
        store.report(outcomes([1], fraud=False, reported_us=START_US + 5 * HOUR_US))
        probes = transactions([2, 3, 4], start_us=START_US + 5 * HOUR_US)
        probes.ints[2, IntColumn.EVENT_TIME_US] = START_US + 6 * HOUR_US
        assert store.score_features(probes)[:, _FRAUDS].tolist() == [1, 1, 0]

    def test_each_correction_waits_for_its_own_hour(self, store: HistoryStore) -> None:
        store.score_features(transactions([1, 2, 3]))
        store.report(outcomes([1, 2, 3]))
        for number, hour in ((1, 5), (3, 7), (2, 5)):
            store.report(outcomes([number], fraud=False, reported_us=START_US + hour * HOUR_US))
        seen = []
        for number, hour in enumerate((4, 5, 6, 7, 8, 9)):
            probe = transactions([10 + number], start_us=START_US + hour * HOUR_US)
            seen.append(float(store.score_features(probe)[0, _FRAUDS]))
        assert seen == [3, 3, 1, 1, 0, 0]

    def test_an_older_report_that_comes_later_changes_nothing(self, store: HistoryStore) -> None:
        store.score_features(transactions([1]))
        store.report(outcomes([1], reported_us=START_US + 3 * HOUR_US))
        late = store.report(outcomes([1], fraud=False, reported_us=START_US + HOUR_US))
        assert late.tolist() == [OutcomeStatus.REPEATED]
        assert self.frauds_seen(store, 2) == 1

    def test_threads_lose_no_transaction_and_no_outcome(self, store: HistoryStore) -> None:
        # A new account for each call makes the tables grow, and threads that change places all the time
        # meet in between.
        def work(first: int) -> None:
            for i in range(first, first + 25):
                store.score_features(transactions([i], account=i))
                store.report(outcomes([i]))

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            threads = [threading.Thread(target=work, args=(1 + 25 * k,)) for k in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert store.counts().entities["account"] == 200
        for i in range(1, 201):
            probe = transactions([1000 + i], account=i, start_us=START_US + 5 * HOUR_US)
            assert store.score_features(probe)[0, [_COUNT, _FRAUDS]].tolist() == [1, 1]

    def test_counts_tell_entities_and_late_transactions(self, store: HistoryStore) -> None:
        store.score_features(transactions([1, 2, 3]))
        store.score_features(transactions([4], account=8))
        store.score_features(transactions([5], start_us=START_US - HOUR_US))
        counts = store.counts()
        assert counts.entities["account"] == 2
        assert counts.entities["merchant"] == 1
        assert counts.recent_transactions == 5
        assert counts.late == 1
