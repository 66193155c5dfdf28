"""A trained run as a bundle that scores songs without Keras: its graph, and what surrounds it."""
