"""Answers to questions about a scenario: which service it can give, and what it takes to reach a goal."""
