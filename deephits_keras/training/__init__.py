"""Training as in the paper (Section 2.2.2), and the files of a trained run."""
