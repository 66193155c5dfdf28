"""Utilities: atomic files, progress, findings of verification."""
