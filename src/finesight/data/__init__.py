"""Datasets for training: packed crops, drawn pictures, random pairs."""
