"""Many runs for one question: factors and levels, their jobs here or on a cluster, reports; the search for settings.

Nothing in `ffnet` imports this package.
"""
