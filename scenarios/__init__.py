"""The front door: scenario files, commands, results and pictures."""
