"""How good a model is: the figures of the paper's Section 2.2.3, baselines, and a run's report."""
