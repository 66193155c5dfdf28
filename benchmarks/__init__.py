"""Measured comparisons with what people would use instead; `make bench` prints them as a table."""

from deephits_keras import cpu

cpu.ask_for_onednn()
