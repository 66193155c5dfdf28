"""Benchmarks against alternatives; `make bench` prints them as a table."""

from deephits_keras import cpu

cpu.ask_for_onednn()
