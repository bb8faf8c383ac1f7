"""The subcommands of ``ffnet experiment``."""
