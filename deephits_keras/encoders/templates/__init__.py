"""What `deephits encoders new` writes, as Jinja templates; see `encoders.scaffold`."""
