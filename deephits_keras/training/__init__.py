"""Training as the paper does it (Section 2.2.2), and what a trained run leaves behind."""
