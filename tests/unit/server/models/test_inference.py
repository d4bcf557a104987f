"""A model gives the same bits through ONNX Runtime's C API, under the lock or without it, and its binding."""

from __future__ import annotations

import gc
import threading

import numpy as np
import onnxruntime
import psutil
import pytest
from structlog.testing import capture_logs

from server.models import inference
from server.models.inference import INPUT, OUTPUT, BindingInference, Inference, open_inference
from server.models.onnx_c import CInference, InferenceError
from tests.support.bundles import linear_model

WIDTH, LIMIT = 7, 16
MODEL = linear_model([0.5, -0.25, 0.125, 2.0, -1.0, 0.75, 0.3], bias=-0.4)
AROUND_THE_LIMIT = [1, 2, LIMIT - 1, LIMIT, LIMIT + 1, 500]


def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])


def opened(limit: int = LIMIT, model: bytes = MODEL, width: int = WIDTH) -> CInference:
    return CInference(model, given=INPUT, found=OUTPUT, width=width, rows_under_lock=limit)


def some_features(rows: int, seed: int = 3) -> np.ndarray:
    """Returns float32 [rows, WIDTH] with unset values."""
    chance = np.random.default_rng(seed)
    features = chance.normal(scale=3, size=(rows, WIDTH)).astype(np.float32)
    features[chance.random(features.shape) < 0.2] = np.nan
    return features


@pytest.fixture(params=["c", "binding"])
def infer(request: pytest.FixtureRequest) -> Inference:
    return opened() if request.param == "c" else BindingInference(session())


@pytest.mark.parametrize("rows", AROUND_THE_LIMIT)
def test_every_way_gives_the_bits_of_the_binding(infer: Inference, rows: int) -> None:
    features = some_features(rows)
    expected = session().run((OUTPUT,), {INPUT: features})[0]
    found = infer(features)
    assert found.dtype == np.float32
    assert np.array_equal(found.view(np.uint32), expected.view(np.uint32))


def test_an_answer_stays_when_the_next_is_given(infer: Inference) -> None:
    first, second = some_features(3, seed=1), some_features(3, seed=2)
    answer = infer(first)
    kept = answer.copy()
    assert not np.array_equal(infer(second), kept)
    assert np.array_equal(answer, kept)


def test_features_that_do_not_lie_in_rows_are_read_as_they_are() -> None:
    for rows in AROUND_THE_LIMIT:
        features = np.asfortranarray(some_features(rows))
        assert np.array_equal(opened()(features), opened()(np.ascontiguousarray(features)))


def test_threads_get_the_answers_to_their_own_features() -> None:
    infer, wrong = opened(), []

    def ask(seed: int) -> None:
        for rows in [*AROUND_THE_LIMIT, 5, 1] * 20:
            features = some_features(rows, seed)
            if not np.array_equal(infer(features), alone(features)):
                wrong.append((seed, rows))

    alone = BindingInference(session())
    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("shape", [(0, WIDTH), (3, WIDTH + 1), (LIMIT + 1, WIDTH - 1), (WIDTH,)])
def test_features_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="features are"):
        opened()(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("rows", [2, LIMIT + 1])
def test_what_the_runtime_refuses_is_told_in_its_words(rows: int) -> None:
    with pytest.raises(InferenceError, match="protobuf"):
        opened(model=b"no model")
    with pytest.raises(InferenceError, match="Expected: 7"):
        opened(width=WIDTH + 1)(np.zeros((rows, WIDTH + 1), dtype=np.float32))
    misnamed = CInference(MODEL, given=INPUT, found="nothing", width=WIDTH, rows_under_lock=LIMIT)
    with pytest.raises(InferenceError, match="nothing"):
        misnamed(np.zeros((rows, WIDTH), dtype=np.float32))


def test_a_runtime_without_a_c_api_serves_through_its_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(inference, "CInference", missing)
    with capture_logs() as logs:
        infer = open_inference(MODEL, lambda: BindingInference(session()), WIDTH)
    assert isinstance(infer, BindingInference)
    assert [log["cause"] for log in logs] == ["no such library"]
    features = some_features(4)
    assert np.array_equal(infer(features), opened()(features))


def test_models_that_are_given_up_leave_no_memory_behind() -> None:
    features = some_features(LIMIT + 1)

    def open_and_use(times: int) -> int:
        for _ in range(times):
            infer = opened(limit=64)
            infer(features)
            infer(features[:1])
        del infer
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    before = open_and_use(50)
    assert open_and_use(300) - before < 8 << 20
