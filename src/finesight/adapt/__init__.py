"""Optimisation at test time: what is fitted to one picture alone."""
