"""Lets `python -m scenarios` do what `dmimo` does."""

from scenarios.cli import main

main()
