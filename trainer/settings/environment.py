"""How settings are named in the environment."""

from __future__ import annotations

ENVIRONMENT_PREFIX = "KUNTUR_TRAINER_"
