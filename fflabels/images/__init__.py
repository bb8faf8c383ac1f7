"""Images: reference images that label sets are scored on, the reader of image files, resizing."""

from fflabels.images.read import DATA_RULES, MAX_CHANNELS, REFERENCE_RULES, SUFFIXES, Rules, read_picture
from fflabels.images.references import (
    CLASS_COUNT,
    MAX_CLASSED,
    PHOTOGRAPHS,
    REFERENCE_COUNT,
    References,
    digits,
    evenly,
    load_classed,
    load_references,
    of_each_class,
    photographs,
)
from fflabels.images.resize import MAX_PIXELS, Images, fit

__all__ = [
    "CLASS_COUNT",
    "DATA_RULES",
    "MAX_CHANNELS",
    "MAX_CLASSED",
    "MAX_PIXELS",
    "PHOTOGRAPHS",
    "REFERENCE_COUNT",
    "REFERENCE_RULES",
    "SUFFIXES",
    "Images",
    "References",
    "Rules",
    "digits",
    "evenly",
    "fit",
    "load_classed",
    "load_references",
    "of_each_class",
    "photographs",
    "read_picture",
]
