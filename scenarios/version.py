"""The version of the layout of everything that is written."""

__all__ = ["SCHEMA_VERSION"]

SCHEMA_VERSION = 1
"""Stands in every file: it grows when the meaning or the layout of something in one of them changes."""
