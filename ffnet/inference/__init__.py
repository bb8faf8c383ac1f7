"""From images to scores and predicted classes.

Class labels never appear here, and nothing is trained.
"""
