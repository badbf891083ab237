"""Experiments and timings; every figure in the documentation comes from a command here or of ``dmimo``."""
