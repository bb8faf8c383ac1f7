"""The commands ``fflabels`` and ``ffnet``: thin, lazy, one file a command."""
