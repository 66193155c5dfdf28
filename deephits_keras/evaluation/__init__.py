"""Evaluation of models: the metrics of the paper's Section 2.2.3, baselines and calibration."""
