"""From the statistics of a CPI to targets: likelihood, detection, lobes, several targets; the estimators."""
