"""The subcommands of ``fflabels``, one file per command; heavy modules are imported inside it."""
