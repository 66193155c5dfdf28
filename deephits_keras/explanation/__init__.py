"""Explanations of a run: of one prediction, and of the whole model."""
