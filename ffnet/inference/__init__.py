"""Inference: from images to scores and predicted classes.

No function here takes the right classes, and nothing is trained.
"""
