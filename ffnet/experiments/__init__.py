"""Many runs for one question: factors and levels, the older studies, the study of labels, the search for settings.

Nothing in `ffnet` imports this package.
"""
