"""Public model servers on the same model and the same core as Kuntur, for whoever wants the comparison."""
