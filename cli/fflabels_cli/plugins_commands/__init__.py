"""The subcommands of ``fflabels plugins``, one file per command."""
