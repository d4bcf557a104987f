"""From a fitted model to a published bundle, and the replay that proves it."""
