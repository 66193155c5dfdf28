"""Whether a corpus is like the tracks that a run was trained on: two-sample tests and metrics."""
