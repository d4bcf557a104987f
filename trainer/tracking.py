"""Records a run in MLflow where that is switched on, and nowhere else.

MLflow is imported only then, and its own telemetry stays off. A store that fails costs its record and never
the run: what could not be logged is said at the end. Which figures there are is left to those who record.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from trainer.settings.recording import TrackingSettings
from trainer.sources.address import redacted

INSTALL = "python -m pip install '.[tracking]'"
_AT_ONCE = 100  # entries of one call; MLflow takes no more parameters and tags
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is down shall not hold a run up for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
}


class TrackingError(ValueError):
    """Tracking is switched on and MLflow is not installed."""


class Recorder:
    """Takes what a run has to tell; this one, for runs that are not tracked, keeps nothing."""

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Takes parameters; those of nested mappings are named by their path, such as model.depth."""

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        """Takes figures; step: of what they belong to, 0 when unset. None is passed over."""

    def series(self, values: Mapping[str, Sequence[float | None]]) -> None:
        """Takes figures of steps 0, 1, 2, ..., such as those of all folds or trials, at once."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Takes what the run can be found by."""

    def artefact(self, name: str, content: bytes) -> None:
        """Takes a document; name: file name, with folders before a slash."""

    def model_version(self, version: str, path: Path) -> None:
        """Links the published bundle: as a version in MLflow's model registry, and by tags of the run."""


@contextmanager
def recorder(
    settings: TrackingSettings, name: str, *, work: Path, note: Callable[[str], None]
) -> Iterator[Recorder]:
    """Yields the recorder of a run by this name, and ends the run with the block: finished or failed.

    work: directory of the local store where no other is set; note: told what could not be logged. Raises
    TrackingError, before any work, when tracking is on and MLflow is not installed.
    """
    if not settings.active:
        yield Recorder()
        return
    run = _MlflowRun(settings, name, work, note)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        run.end(status)


class _MlflowRun(Recorder):
    """Writes to a store of MLflow until it fails."""

    def __init__(
        self, settings: TrackingSettings, name: str, work: Path, note: Callable[[str], None]
    ) -> None:
        _require_mlflow()
        self._settings, self._note = settings, note
        self._uri = local_store(work) if settings.uri is None else settings.uri.get_secret_value()
        self._client: Any = None
        self._run_id = ""
        self._lost: list[str] = []
        self._attempt("the run", lambda: self._start(name, work))

    def parameters(self, values: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(_name(key), _text(value)) for key, value in _flat(values)]
        self._attempt("parameters", lambda: self._log(params=params))

    def metrics(self, values: Mapping[str, float | None], step: int | None = None) -> None:
        self._figures([(name, value, step or 0) for name, value in values.items()])

    def series(self, values: Mapping[str, Sequence[float | None]]) -> None:
        self._figures(
            [(name, value, step) for name, all_ in values.items() for step, value in enumerate(all_)]
        )

    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(_name(key), str(value)) for key, value in values.items()]
        self._attempt("tags", lambda: self._log(tags=tags))

    def artefact(self, name: str, content: bytes) -> None:
        self._attempt(name, lambda: self._write(PurePosixPath(name), content))

    def model_version(self, version: str, path: Path) -> None:
        place = path.resolve()
        self.tags({"model_version": version, "bundle": str(place)})
        if self._client is None or self._lost:
            return
        try:
            self._register(version, place)
        except Exception as error:
            # A server may refuse a path of this machine: the tags still link the run with its bundle.
            self._say(f"the model registry does not take version {version}, so only tags name it", error)

    def end(self, status: str) -> None:
        """Ends the run and says what of it is not in the store."""
        if self._run_id:  # what failed before may have been one document: a run must not seem to go on
            try:
                self._client.set_terminated(self._run_id, status)
            except Exception as error:
                self._lost.append("the end of the run")
                self._say("the run stays marked as running there", error)
        if self._lost:
            self._note(f"Not logged to MLflow: {', '.join(dict.fromkeys(self._lost))}")

    def _start(self, name: str, work: Path) -> None:
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        experiment = self._client.get_experiment_by_name(self._settings.experiment)
        if experiment is not None:
            number = experiment.experiment_id
        else:
            place = _artefacts(self._uri, work)
            number = self._client.create_experiment(self._settings.experiment, artifact_location=place)
        self._run_id = self._client.create_run(number, run_name=name).info.run_id

    def _figures(self, figures: list[tuple[str, float | None, int]]) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = [
            Metric(_name(name), float(value), now, step) for name, value, step in figures if value is not None
        ]
        self._attempt("metrics", lambda: self._log(metrics=metrics))

    def _log(self, **entries: list[Any]) -> None:
        for kind, values in entries.items():
            for start in range(0, len(values), _AT_ONCE):
                self._client.log_batch(self._run_id, **{kind: values[start : start + _AT_ONCE]})

    def _write(self, name: PurePosixPath, content: bytes) -> None:
        folder = None if name.parent == PurePosixPath() else str(name.parent)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / name.name
            path.write_bytes(content)
            self._client.log_artifact(self._run_id, str(path), folder)

    def _register(self, version: str, place: Path) -> None:
        from mlflow.exceptions import MlflowException

        name = self._settings.registered_model
        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        tags = {"model_version": version}
        self._client.create_model_version(name, str(place), self._run_id, tags=tags)

    def _attempt(self, what: str, action: Callable[[], None]) -> None:
        if self._lost:  # each further call would only wait for the same server
            self._lost.append(what)
            return
        try:
            action()
        except Exception as error:
            self._lost.append(what)
            self._say("the run goes on without it", error)

    def _say(self, consequence: str, error: Exception) -> None:
        said = redacted(str(error).strip() or type(error).__name__, self._uri).splitlines()[0][:300]
        self._note(f"MLflow fails, {consequence}: {said}")


def local_store(work: Path) -> str:
    """Returns the address of the local store in a run's working directory."""
    work.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{work.resolve() / 'mlflow.db'}"


def _artefacts(uri: str, work: Path) -> str | None:
    if uri.startswith("http"):
        return None  # where the server keeps them
    if uri.startswith("sqlite:///"):
        return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlflow-artefacts").as_uri()
    return (work.resolve() / "mlflow-artefacts").as_uri()


def _require_mlflow() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise TrackingError(f"tracking needs MLflow: {INSTALL}") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _name(text: str) -> str:
    return re.sub(r"[^\w.\-/ ]", "_", text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
