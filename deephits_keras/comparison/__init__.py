"""Recipes side by side: the same splits, the same figures, one leaderboard."""
