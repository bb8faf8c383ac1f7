"""The subcommands of ``fflabels plugins``, one a module."""
