"""Sweeps: an experiment at many settings of a scenario, each with many trials, on as many workers as there are."""
