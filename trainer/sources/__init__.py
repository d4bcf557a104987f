"""Where transactions and labels come from, and what they are like."""
