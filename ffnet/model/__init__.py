"""Nets and their parts: norms, goodness, one local layer, the stack of layers, heads.

Training and evaluation are elsewhere.
"""
