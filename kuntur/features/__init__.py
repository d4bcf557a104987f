"""Online features: what they are, and the engine that computes them for server and trainer alike."""

from kuntur.features.catalogue import CATALOGUE, FEATURE_NAMES, Feature, PersonalData, catalogue_fingerprint
from kuntur.features.engine import EngineCounts, FeatureEngine, FeatureMatrix, FeatureSelection

__all__ = [
    "CATALOGUE",
    "FEATURE_NAMES",
    "EngineCounts",
    "Feature",
    "FeatureEngine",
    "FeatureMatrix",
    "FeatureSelection",
    "PersonalData",
    "catalogue_fingerprint",
]
