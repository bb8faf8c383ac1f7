"""Images: reference images that label sets are scored on, the reader of image files, resizing."""

from fflabels.images.arrays import MAX_CHANNELS
from fflabels.images.folders import SYSTEM, class_folders, pictures
from fflabels.images.photographs import PHOTOGRAPHS, photographs
from fflabels.images.read import SUFFIXES, read_file, read_picture
from fflabels.images.references import (
    CLASS_COUNT,
    MAX_CLASSED,
    REFERENCE_COUNT,
    References,
    digits,
    evenly,
    load_classed,
    load_references,
    of_each_class,
)
from fflabels.images.resize import MAX_PIXELS, Images, fit
from fflabels.images.stored import Range

__all__ = [
    "CLASS_COUNT",
    "MAX_CHANNELS",
    "MAX_CLASSED",
    "MAX_PIXELS",
    "PHOTOGRAPHS",
    "REFERENCE_COUNT",
    "SUFFIXES",
    "SYSTEM",
    "Images",
    "Range",
    "References",
    "class_folders",
    "digits",
    "evenly",
    "fit",
    "load_classed",
    "load_references",
    "of_each_class",
    "photographs",
    "pictures",
    "read_file",
    "read_picture",
]
