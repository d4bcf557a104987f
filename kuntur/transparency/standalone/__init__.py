"""`verify_evidence.py`: what whoever receives evidence checks it with, copied beside it and used alone.

It imports nothing of Kuntur, so that nobody has to trust Kuntur to believe it, and is short enough to be read
first. The tests hold it against `kuntur.transparency.notes` and the vectors of others.
"""

from __future__ import annotations

from pathlib import Path

VERIFIER = Path(__file__).with_name("verify_evidence.py")
"""The program, to be copied."""
