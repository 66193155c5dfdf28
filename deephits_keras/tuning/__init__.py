"""Search for the settings of a training, nested in its split."""
