"""All features in order, and what identifies them."""

from __future__ import annotations

import hashlib
from functools import cache

from kuntur.features.catalogue.account import account_features
from kuntur.features.catalogue.feature import Feature
from kuntur.features.catalogue.profile import device_account_count, profile_features
from kuntur.features.catalogue.transaction import transaction_features

CATALOGUE: tuple[Feature, ...] = (
    *transaction_features(),
    *account_features(),
    *profile_features("merchant", "merchant_id"),
    *profile_features("device", "device_id"),
    device_account_count(),
    *profile_features("category", "merchant_category_code"),
)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in CATALOGUE)


@cache
def feature_index() -> dict[str, int]:
    """Returns the column of each feature of the catalogue."""
    return {name: column for column, name in enumerate(FEATURE_NAMES)}


@cache
def catalogue_fingerprint() -> str:
    """Returns the hash of all definitions in order, 64 hexadecimal digits."""
    return hashlib.sha256("\n".join(f"{f.name} {f.fingerprint}" for f in CATALOGUE).encode()).hexdigest()
