"""Label sets at work: which set a run uses, and how its labels enter a net.

Label sets themselves are designed by `fflabels`.
"""
