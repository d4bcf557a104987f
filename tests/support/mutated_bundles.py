"""Signed bundles, mutated by seed, each held against a reader with a policy."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from kuntur.bundle.bundle import BundleRefusedError, RefusalReason, read_bundle, write_bundle
from kuntur.bundle.signing import Policy, read_policy
from kuntur.reasons import LinearExplanation, write_explanation
from tests.support.bundles import FEATURES, golden_features, linear_model, manifest, sigmoid
from tests.support.mutations import mutate, state
from tests.support.signers import Signer, write_policy


def refusal(bundle: Path, policy: Policy) -> BundleRefusedError | None:
    """Returns why a bundle is refused; None for one that is read."""
    try:
        read_bundle(bundle, policy)
    except BundleRefusedError as error:
        return error
    return None


def refusals_of_mutated(folder: Path, seeds: range) -> Counter[RefusalReason]:
    """Mutates a signed bundle once for each seed, asserts that each is refused, and returns for what."""
    signers = [Signer(folder / "keys", name) for name in ("trainer", "approver")]
    policy = read_policy(write_policy(folder / "policy.toml", signers, 2))
    weights, inputs = (0.001, 0.1, 0.2, 1.0), golden_features(len(FEATURES))
    whole = write_bundle(
        folder / "whole",
        manifest("m-1", published_time="2026-01-01T00:00:00Z"),
        linear_model(weights),
        inputs,
        sigmoid(np.nan_to_num(inputs.astype(np.float64)) @ np.array(weights)),
        {"card.md": b"A model for tests.\n", "plots/one.svg": b"<svg/>"},
        write_explanation(LinearExplanation(np.zeros(4), np.array(weights), 0.0, 1.0)),
        [signer.key for signer in signers],
    )
    assert read_bundle(whole, policy).signers == ("approver", "trainer")
    before = state(whole)
    refused: Counter[RefusalReason] = Counter()
    for seed in seeds:
        bundle = folder / "mutated" / "m-1"
        shutil.rmtree(bundle.parent, ignore_errors=True)
        shutil.copytree(whole, bundle)
        told = mutate(bundle, seed)
        if state(bundle) == before:  # exchanged with its like, or set to what it was
            continue
        error = refusal(bundle, policy)
        assert error is not None, f"seed {seed} was read: {told}"
        assert error.message, (seed, told)
        assert str(folder) not in error.message, (seed, told)
        refused[error.reason] += 1
    return refused
