"""Scores of tracks by a finished run."""
