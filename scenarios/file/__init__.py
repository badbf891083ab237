"""Scenario files: from text to data, checks and objects."""
