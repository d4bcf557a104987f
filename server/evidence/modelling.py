"""The model of an answer: its bundle, who vouches for it, and the model loaded to score again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kuntur.bundle.bundle import MANIFEST, Bundle, BundleRefusedError, RefusalReason, read_bundle
from kuntur.bundle.signing import Policy, PolicyError, read_policy
from kuntur.time_zone import time_zone
from server.evidence.document import Model, Signature
from server.evidence.errors import EvidenceError
from server.models.live import LiveModel
from server.models.loader import load_model
from server.settings.config import ServerSettings
from server.trial.process import TrialLimits, TrialProcess

_ANY_CALL_S = 60.0  # how fast a model is does not matter here
_MODEL_FILE = "model.onnx"
_SAYS_NOTHING = "--without-rebuild writes what the journal alone proves"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model, ready to score, and what is said of it."""

    live: LiveModel
    told: Model


def load_answering(settings: ServerSettings, version: str) -> Loaded:
    """Loads the model of an answer, however old it is. Raises EvidenceError."""
    path = settings.registry_path / version
    if not path.is_dir():
        raise EvidenceError(
            f"{path}: the model {version} gave the answer and is not in the registry any more: bring its "
            f"bundle back from where old ones are kept, or name that folder with --registry; {_SAYS_NOTHING}"
        )
    limits = settings.models
    trial = TrialProcess(TrialLimits(limits.trial_s, limits.trial_bytes, _ANY_CALL_S))
    try:
        bundle, signature = _vouched(path, settings.signatures.policy)
        live = load_model(path, trial, time_zone(settings.institution.time_zone))
    except BundleRefusedError as error:
        raise EvidenceError(f"{path}: {error}; {_hint(error.reason)}") from error
    except PolicyError as error:
        raise EvidenceError(f"signatures.policy: {error}") from error
    finally:
        trial.stop()
    return Loaded(live, _told(bundle, signature))


def _vouched(path: Path, policy_file: Path | None) -> tuple[Bundle, Signature]:
    """Reads a bundle; a signature whose key has ended since is told and no reason to stop.

    Raises BundleRefusedError, PolicyError.
    """
    if policy_file is None:
        told = "No policy of signatures is set, so whose signatures the bundle bears was not looked at."
        return read_bundle(path), Signature(checked=False, signers=(), told=told)
    policy: Policy = read_policy(policy_file)
    try:
        bundle = read_bundle(path, policy)
    except BundleRefusedError as error:
        if error.reason != RefusalReason.SIGNATURE_KEY_EXPIRED:
            raise
        told = f"Today the policy would not take it: {error.message}."
        return read_bundle(path), Signature(checked=True, signers=(), told=told)
    told = f"By the policy it is signed by {', '.join(bundle.signers)}."
    return bundle, Signature(checked=True, signers=bundle.signers, told=told)


def _told(bundle: Bundle, signature: Signature) -> Model:
    manifest = bundle.manifest
    return Model(
        model_version=manifest.model_version,
        manifest_sha256=bundle.digests[MANIFEST],
        model_sha256=bundle.digests[_MODEL_FILE],
        algorithm=manifest.algorithm,
        published_time=manifest.published_time,
        data_hash=manifest.data_hash,
        review_threshold=manifest.thresholds.review,
        decline_threshold=manifest.thresholds.decline,
        threshold_rationale=manifest.thresholds.rationale,
        verdict=manifest.verdict,
        signature=signature,
    )


def _hint(reason: RefusalReason) -> str:
    if reason in {RefusalReason.FEATURE_CHANGED, RefusalReason.FEATURE_UNKNOWN}:
        return (
            "use the release and the settings (--config) of the server that answered: this release computes "
            f"another value there; {_SAYS_NOTHING}"
        )
    return f"bring the bundle back as it was published; {_SAYS_NOTHING}"
