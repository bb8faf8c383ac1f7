"""Evaluation: accuracy, diagnosis of labels, activation maps, statistics.

Only this package compares predictions with classes.
"""
