"""Runs: training with checkpoints and logs in a run folder, continuing a stopped run, comparisons, ensembles.

The training loop itself is in `ffnet.training.loop`.
"""
