"""Many runs for one question: studies, the ablation, the study of labels, the search for settings.

Nothing in `ffnet` imports this package.
"""
