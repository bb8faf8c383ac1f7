"""The subcommands of ``ffnet``, one file per command; heavy modules are imported inside it."""
