"""The machine: devices, ranks and signals.

Nothing here knows a net, a label or a data set.
"""
