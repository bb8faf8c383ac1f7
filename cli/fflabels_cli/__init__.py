"""The commands ``fflabels`` and ``ffnet``: thin, lazily imported, one file per command."""
