"""Nets and their parts: norms, goodness, one local layer, the stack of layers, heads.

No training, no scores against classes.
"""
