from __future__ import annotations

import subprocess
import sys


def test_threads_started_afterwards_do_not_push_each_other_aside() -> None:
    code = (
        "import os, threading; from server.scheduling import prefer_finishing; prefer_finishing()\n"
        "found = []\n"
        "thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))\n"
        "thread.start(); thread.join()\n"
        "assert found == [os.SCHED_BATCH], found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
