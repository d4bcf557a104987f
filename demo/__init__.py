"""The demonstration: the whole loop on one machine, through the programs that a bank would run."""
