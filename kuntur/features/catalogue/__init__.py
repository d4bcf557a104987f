"""What each feature is: the one list that engine, trainer, bundles and documents use.

The order is that of the columns of the engine's output; the compiled code finds its columns by name
(`kuntur.features.kernel.columns`). A feature's fingerprint covers what its value depends on; a bundle carries
those of the features it uses, and a server that defines one of them differently refuses the bundle.
"""

from kuntur.features.catalogue.all import CATALOGUE, FEATURE_NAMES, catalogue_fingerprint, feature_index
from kuntur.features.catalogue.feature import Feature, PersonalData

__all__ = [
    "CATALOGUE",
    "FEATURE_NAMES",
    "Feature",
    "PersonalData",
    "catalogue_fingerprint",
    "feature_index",
]
