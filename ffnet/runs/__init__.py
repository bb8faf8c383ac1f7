"""Run folders: train, resume, checkpoints, logs; runs compared and combined.

How a net learns is in `ffnet.training.loop`.
"""
