"""Design the labels of forward-forward networks: propose candidates, score their diversity, select the most diverse."""

from importlib.metadata import version

from fflabels.assignment import assign
from fflabels.candidates import Candidates, propose
from fflabels.comparison import Reach, compare
from fflabels.design import design
from fflabels.diversity import similarity
from fflabels.errors import FFLabelsError
from fflabels.images import References, load_references
from fflabels.labeler import Labeler, Params
from fflabels.labelset import LabelSet, named_set
from fflabels.recipe import Recipe
from fflabels.registry import get_labeler, list_labelers
from fflabels.selection import Selection, select, select_vectors

__version__ = version("fflabels")

__all__ = [
    "Candidates",
    "FFLabelsError",
    "LabelSet",
    "Labeler",
    "Params",
    "Reach",
    "Recipe",
    "References",
    "Selection",
    "assign",
    "compare",
    "design",
    "get_labeler",
    "list_labelers",
    "load_references",
    "named_set",
    "propose",
    "select",
    "select_vectors",
    "similarity",
]
