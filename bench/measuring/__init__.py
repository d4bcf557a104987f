"""What every measurement needs: programs on cores of their own, counters, the report, the bare echoes."""
