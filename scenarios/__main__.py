"""Lets `python -m scenarios` do what `dmimo` does."""

from scenarios.commands.cli import main

main()
