"""The space of plausible pictures: sampling, consistency, scoring."""
