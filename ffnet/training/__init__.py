"""Training: losses, negatives, random draws, steps of forward-forward and back-propagation, the loop over steps.

Run folders, heads and accuracies are elsewhere.
"""
