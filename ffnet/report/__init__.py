"""Output for people: the HTML report of a run, figures, Markdown tables."""
