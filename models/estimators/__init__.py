"""Estimators: strategies that locate targets from sufficient statistics."""
