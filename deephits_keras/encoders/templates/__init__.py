"""Jinja templates of the files that `deephits encoders new` writes; see `encoders.scaffold`."""
