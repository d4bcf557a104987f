"""Ray: a cluster that is there, or one on this machine."""
