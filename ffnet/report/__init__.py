"""What people look at: the report page of a run, figures, Markdown tables.

Nothing is computed here that a run folder does not hold.
"""
