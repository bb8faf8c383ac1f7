"""Choose n of N so that the largest mutual similarity is smallest: max–min dispersion (discrete p-dispersion)."""

from fflabels.selection.dispersion import Selection, select
from fflabels.selection.vectors import select_vectors

__all__ = ["Selection", "select", "select_vectors"]
