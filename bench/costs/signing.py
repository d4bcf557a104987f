"""What signatures cost: a bundle read with a policy beside the same bundle read without, in turn.

In processor time, the median and the least, since other work on the machine only adds to it; and apart from
that what reading the policy takes, which a server does once. Run as `python -m bench.costs.signing`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from cryptography.hazmat.primitives.asymmetric import ec

from kuntur.bundle.bundle import Manifest, Thresholds, TrainingWindow, feature_uses, read_bundle, write_bundle
from kuntur.bundle.signing import SigningKey, read_policy
from kuntur.features import FEATURE_NAMES, catalogue_fingerprint

_GOLDEN_ROWS = 256


def _write(folder: Path, model_bytes: int, signers: int) -> tuple[Path, Path]:
    """Writes a bundle of every feature with so many signers, and their policy."""
    keys = [SigningKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(signers)]
    lines = [f"threshold = {signers}"]
    for number, key in enumerate(keys):
        (folder / f"{number}.pem").write_bytes(key.public.pem)
        lines.append(f'[[keys]]\nsigner = "{number}"\nfile = "{number}.pem"')
    policy = folder / "policy.toml"
    policy.write_text("\n".join(lines))
    time_of_all = "2026-01-01T00:00:00Z"
    window = TrainingWindow(
        train_start_time=time_of_all,
        train_end_time=time_of_all,
        validation_start_time=time_of_all,
        validation_end_time=time_of_all,
        label_delay_days=0.0,
    )
    manifest = Manifest(
        model_version="measured",
        algorithm="none",
        features=feature_uses(FEATURE_NAMES),
        catalogue_fingerprint=catalogue_fingerprint(),
        window=window,
        data_hash="",
        row_count=0,
        fraud_count=0,
        metrics={},
        thresholds=Thresholds(review=0.5, decline=0.9, rationale=""),
        parameters={},
        parity={},
        library_versions={},
        git_revision="",
    )
    chance = np.random.default_rng(7)
    golden = chance.normal(size=(_GOLDEN_ROWS, len(FEATURE_NAMES))).astype(np.float32)
    documents = {f"{number}.json": chance.bytes(50_000) for number in range(10)}
    model, scores = chance.bytes(model_bytes), np.zeros(_GOLDEN_ROWS, np.float32)
    return write_bundle(folder, manifest, model, golden, scores, documents, keys=keys), policy


def _ms(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return (time.process_time() - began) * 1e3


def main(
    rounds: Annotated[int, typer.Option(help="Rounds, with and without in turn.")] = 300,
    signers: Annotated[int, typer.Option(help="Signers of the bundle.")] = 2,
    model_bytes: Annotated[int, typer.Option(help="Size of the model.")] = 1_500_000,
) -> None:
    """Measures and prints JSON."""
    with TemporaryDirectory() as name:
        bundle, policy = _write(Path(name), model_bytes, signers)
        trusted, policies = read_policy(policy), [_ms(lambda: read_policy(policy)) for _ in range(rounds)]
        plain: list[float] = []
        signed: list[float] = []
        for _ in range(rounds):
            plain.append(_ms(lambda: read_bundle(bundle)))
            signed.append(_ms(lambda: read_bundle(bundle, trusted)))
        size = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())
    more = [with_policy - without for with_policy, without in zip(signed, plain, strict=True)]
    figures = {
        "bundle_bytes": size,
        "signers": signers,
        "plain_ms": median(plain),
        "signed_ms": median(signed),
        "more_ms": median(more),
        "least_plain_ms": min(plain),
        "least_signed_ms": min(signed),
        "policy_ms": median(policies),
    }
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}, indent=1))


if __name__ == "__main__":
    typer.run(main)
