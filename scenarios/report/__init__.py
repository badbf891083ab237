"""The report of a run: one HTML page that needs nothing else, from the files of an output folder."""
