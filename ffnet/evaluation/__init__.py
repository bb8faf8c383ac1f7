"""Scores against classes: accuracy, diagnosis of labels, activation maps, statistics.

The only place that compares predictions with classes.
"""
