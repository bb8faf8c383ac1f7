"""Choose n of N so that the largest mutual similarity is smallest: max–min dispersion (discrete p-dispersion)."""

from fflabels.selection.dispersion import Selection, select

__all__ = ["Selection", "select"]
