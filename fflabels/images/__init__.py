"""Images: reference images that label sets are scored on, the reader of image files, resizing."""

from fflabels.images.folders import class_folders, pictures
from fflabels.images.photographs import photographs
from fflabels.images.read import SUFFIXES, read_file, read_picture
from fflabels.images.references import (
    REFERENCE_COUNT,
    References,
    digits,
    evenly,
    load_classed,
    load_references,
    of_each_class,
)
from fflabels.images.resize import MAX_PIXELS, to_shape
from fflabels.images.stored import Range

__all__ = [
    "MAX_PIXELS",
    "REFERENCE_COUNT",
    "SUFFIXES",
    "Range",
    "References",
    "class_folders",
    "digits",
    "evenly",
    "load_classed",
    "load_references",
    "of_each_class",
    "photographs",
    "pictures",
    "read_file",
    "read_picture",
    "to_shape",
]
