"""The history behind the features as it is served: transactions by id, held outcomes, checks and repair."""
