"""What training minimises: pure functions on tensors; a network that a loss needs is an argument."""
