"""Export of a trained run as a bundle that predicts without Keras."""
