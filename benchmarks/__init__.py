"""Measured comparisons with what people would use instead; `make bench` prints them as a table."""
