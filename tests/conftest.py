"""What holds for all tests."""

from __future__ import annotations

import os

# Ray lets its workers run at niceness 15. Beside anything else on two cores they would get a thirtieth of
# one, and a trial that starts in five seconds takes four minutes.
os.environ.setdefault("RAY_worker_niceness", "0")
