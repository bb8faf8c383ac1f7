"""The public surface: the names are there, small, documented, and light to import."""

import subprocess
import sys

import fflabels

NAMES = {
    "Candidates", "FFLabelsError", "LabelSet", "Labeler", "Params", "Reach", "Recipe", "References", "Selection",
    "assign", "compare", "design", "get_labeler", "list_labelers", "load_references", "named_set", "propose", "select",
    "select_vectors", "similarity",
}  # fmt: skip


def test_the_names_are_frozen_and_documented():
    assert set(fflabels.__all__) == NAMES
    for name in NAMES:
        assert len(getattr(fflabels, name).__doc__.splitlines()[0]) > 20, name


def test_importing_loads_neither_torch_nor_scikit_image():
    code = (
        "import sys, fflabels; assert not {'torch', 'skimage', 'PIL', 'matplotlib', 'rich', 'click'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
