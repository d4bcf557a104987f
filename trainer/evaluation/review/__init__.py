"""What a validator asks beyond the figures of the whole: calibration in its parts, misses, fairness."""
