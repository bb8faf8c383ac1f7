"""The subcommands of ``ffnet``, one file each; heavy imports inside the command."""
