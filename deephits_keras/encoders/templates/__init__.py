"""What `deephits encoders new` writes, as Jinja templates; see `deephits_keras.encoders.scaffold`."""
