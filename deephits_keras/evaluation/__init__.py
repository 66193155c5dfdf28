"""How good a model is: the metrics of the paper's Section 2.2.3, baselines, and a run's report."""
