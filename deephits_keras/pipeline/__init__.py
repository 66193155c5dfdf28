"""Batches of stored features by row number."""
