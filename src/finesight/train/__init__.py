"""Training: recipes, the loop, checkpoints. Needs torch, numpy, pydantic and Pillow, nothing else."""
