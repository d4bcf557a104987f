"""The trainer: from transactions with outcomes to a published bundle."""
