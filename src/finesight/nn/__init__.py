"""Layers that at least two networks share, and the traits by which networks describe themselves."""
