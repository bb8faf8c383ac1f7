"""Labels in a net: choose the label set of a run, embed labels in images, pass label channels to later layers.

Label sets are designed by `fflabels`.
"""
