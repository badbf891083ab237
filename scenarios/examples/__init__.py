"""Worked examples: parts of one's own in a run of a few seconds, each with a picture and what it teaches.

Run one:  python -m scenarios.examples.sleeping_ap
"""
