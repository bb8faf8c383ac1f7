"""The public surface: the names are there, small, documented, and light to import."""

import subprocess
import sys

import fflabels

NAMES = {
    "Candidates", "FFLabelsError", "LabelSet", "Labeler", "Params", "Reach", "Recipe", "References", "Selection",
    "assign", "class_likeness", "codes_from_likeness", "compare", "design", "get_labeler", "list_labelers",
    "load_references", "named_set", "propose", "select", "select_vectors", "similarity",
}  # fmt: skip


def test_the_names_are_frozen_and_documented():
    assert set(fflabels.__all__) == NAMES
    for name in NAMES:
        assert len(getattr(fflabels, name).__doc__.splitlines()[0]) > 20, name


def test_importing_loads_no_library_and_a_function_is_not_replaced_by_its_module():
    code = (
        "import sys, fflabels\n"
        "assert not {'torch', 'numpy', 'skimage', 'PIL', 'matplotlib', 'rich', 'click'} & set(sys.modules)\n"
        "import fflabels.design\n"
        "assert callable(fflabels.design) and fflabels.__version__ and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
