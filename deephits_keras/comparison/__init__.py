"""Comparison of recipes on the same splits with the same metrics."""
