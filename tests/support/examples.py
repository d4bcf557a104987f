"""How many examples a property test tries: as the profile of Hypothesis says (tests/conftest.py)."""

from __future__ import annotations

from hypothesis import settings


def examples(thorough: int) -> settings:
    """Returns the settings of a test that tries some number of examples when it is thorough.

    To be called while tests are collected, when the profile is loaded.
    """
    profile = settings()
    return settings(max_examples=max(10, thorough * profile.max_examples // 100))
