"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# Ray lets its workers run at niceness 15. Beside anything else on two cores they would get a thirtieth of
# one, and a trial that starts in five seconds takes four minutes.
os.environ.setdefault("RAY_worker_niceness", "0")
# Ray starts a process for each core as soon as a driver connects, most of which end unused.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")

# A busy machine makes an example slow, which says nothing of what is tested. The thorough profile is for
# pytest's --hypothesis-profile, which `make endurance` gives; tests.support.examples scales by both.
settings.register_profile("quick", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=100)
settings.load_profile("quick")
