"""One file per published architecture: networks and nothing else. ``table.NETWORKS`` maps names to import paths."""
