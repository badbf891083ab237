"""Estimators: strategies that locate targets from sufficient statistics.

``two_stage.TwoStage`` is the one to use, ``paper.PaperEstimator`` does what the paper describes, ``grid.GridEstimator``
is the trivial baseline.
"""
