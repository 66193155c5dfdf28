"""Recipes side by side: the same splits, the same metrics, one leaderboard."""
