"""One training step and the loop of steps: losses, negatives, draws, forward-forward, back-propagation.

Run folders, heads and accuracies are elsewhere.
"""
