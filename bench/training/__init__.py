"""Training: what a run takes, and its search beside a plain one of the same trials."""
