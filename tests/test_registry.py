"""The registry's contract, with distributions that are broken in every way a listing must survive."""

import importlib
import subprocess
import sys

import pytest
from installed import SOUND

from fflabels import FFLabelsError, Labeler, LabelSet, design, get_labeler, list_labelers, registry

BUILTINS = ["code", "fourier", "morph", "onehot", "waves"]


def test_built_ins_come_in_by_the_same_door():
    assert list_labelers() == BUILTINS
    assert list_labelers("*o*") == ["code", "fourier", "morph", "onehot"]
    assert list_labelers("mor*") == ["morph"]
    assert {e.state for e in registry.entries()} == {"builtin"}


def test_a_plugin_is_found_listed_and_made(install):
    module = install("fflabels-stripes")
    assert list_labelers() == sorted([*BUILTINS, "stripes"])
    assert module not in sys.modules, "listing must not import"
    assert isinstance(get_labeler("stripes"), Labeler)
    assert isinstance(get_labeler("FFlabels_Stripes:stripes"), Labeler)
    [entry] = [e for e in registry.entries() if e.name == "stripes"]
    assert (entry.state, entry.distribution, entry.version) == ("available", "fflabels-stripes", "0.3")


def test_a_set_made_by_a_plugin_names_it_when_it_is_gone(install, tmp_path):
    module = install("fflabels-stripes")
    data = design("stripes", 3, candidates=5, shape=(1, 16, 16)).to_json()
    assert LabelSet.from_json(data).to_json() == data
    (tmp_path / "fflabels_stripes-0.3.dist-info" / "entry_points.txt").unlink()
    sys.modules.pop(module)
    with pytest.raises(
        FFLabelsError, match=r"made by the labeler stripes of fflabels-stripes 0.3, which is not installed"
    ):
        LabelSet.from_json(data)


BROKEN = {
    "a missing import": ("import no_such_module_anywhere", "cannot be imported: ModuleNotFoundError: No module named 'no_such"),
    "a syntax error": ("def (", "cannot be imported: SyntaxError"),
    "an exit": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "no such class": ("x = 1", "cannot be imported: AttributeError"),
    "not a labeler": ("class Stripes: pass", "not a labeler; got <class .*expected a subclass of fflabels.Labeler"),
    "an instance": (SOUND + "Stripes = Stripes()", "not a labeler; got Stripes"),
    "another version": (SOUND + "Stripes.api_version = 99", "written for another version of the contract; got 99; expected 1"),
    "another name": (SOUND + "Stripes.name = 'dots'", "its name differs from its entry point's; got 'dots'; expected 'stripes'"),
    "no recipe type": (SOUND + "Stripes.recipe_type = dict", "recipe_type is not a recipe"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_plugin_harms_only_who_names_it(install, fault):
    code, message = BROKEN[fault]
    install("fflabels-stripes", code)
    assert list_labelers() == sorted([*BUILTINS, "stripes"])
    assert get_labeler("morph").name == "morph"
    with pytest.raises(FFLabelsError, match=f"labeler stripes of fflabels-stripes 0.3: {message}") as caught:
        get_labeler("stripes")
    assert "\n" not in str(caught.value)


FAILING = {
    "a propose that raises": ("propose", "1 / 0", "ZeroDivisionError: division by zero"),
    "a propose that ends the process": ("propose", "raise SystemExit(0)", "SystemExit: 0"),
    "a propose that makes no recipe": ("propose", "return 5", "not a recipe of the labeler; got 5; expected StripeRecipe"),
    "a recipe of a wrong type": ("propose", "return StripeRecipe('a')", "ValidationError: Expected `int`, got `str`"),
    "a recipe that cannot be hashed": ("propose", "return StripeRecipe([1])", "a recipe that cannot be told from others: unhashable type: 'list'"),
    "an imprint that raises": ("imprint", "1 / 0", "ZeroDivisionError: division by zero"),
    "an imprint that ends the process": ("imprint", "raise SystemExit(0)", "SystemExit: 0"),
    "an imprint that leaves the range": ("imprint", "return images - 1", "imprint of .* out of range; got -1 to .*; expected 0 to 1"),
    "an imprint that is not finite": ("imprint", "return images * np.nan", "imprint with NaN or infinite pixels"),
    "an imprint that changes the images": ("imprint", "images *= 0", "changes its images in place .ValueError: output array is read-only. .fflabels_stripes_module.py:"),
    "an imprint that changes its recipe": (
        "imprint", "import msgspec; msgspec.structs.force_setattr(recipe, 'period', recipe.period + 1)", "imprint changes its recipe",
    ),
    "a constructor that raises": ("__init__", "1 / 0", "ZeroDivisionError: division by zero"),
}  # fmt: skip


COMPLETE = {
    "raises": ("raise KeyError('boom')", "KeyError: 'boom'"),
    "is too few": ("return [StripeRecipe(2)]", "not the recipes of a complete set; got 1, 1 of them different; expected 3"),
    "repeats": ("return [StripeRecipe(2)] * n", "not the recipes of a complete set; got 3, 1 of them different"),
    "is no recipes": ("return [2, 3, 4]", "not a recipe of the labeler; got 2; expected StripeRecipe"),
}  # fmt: skip


@pytest.mark.parametrize("fault", COMPLETE)
def test_a_complete_set_that_is_none_is_named(install, fault):
    line, message = COMPLETE[fault]
    install("fflabels-stripes", SOUND + f"\n    def complete(self, n, shape):\n        {line}\n")
    with pytest.raises(FFLabelsError, match=f"labeler stripes of fflabels-stripes 0.3: {message}"):
        design("stripes", 3, candidates=4, shape=(1, 8, 8))


@pytest.mark.parametrize("fault", FAILING)
def test_a_plugin_that_fails_at_work_is_named(install, fault):
    method, line, message = FAILING[fault]
    code = SOUND.replace(
        "image_independent = True", "def __init__(self, **params):\n        super().__init__(**params)"
    )
    head = {"propose": "rng, shape", "imprint": "images, recipe", "__init__": "**params"}[method]
    install(
        "fflabels-stripes", code.replace(f"def {method}(self, {head}):", f"def {method}(self, {head}):\n        {line}")
    )
    with pytest.raises(FFLabelsError, match=f"labeler stripes of fflabels-stripes 0.3: ({message})") as caught:
        design("stripes", 2, candidates=4, shape=(1, 8, 8))
    assert "\n" not in str(caught.value)


def test_a_constructor_that_leaves_out_the_base_class_is_named(install):
    install("fflabels-stripes", SOUND + "\n    def __init__(self, a=3):\n        self.a = a\n")
    with pytest.raises(FFLabelsError, match=r"stripes of fflabels-stripes 0.3: its __init__ does not call super\(\)"):
        get_labeler("stripes")


def test_the_file_of_an_installed_plugin_is_that_plugin(install, tmp_path):
    module = install("fflabels-stripes")
    assert get_labeler(f"{tmp_path / module}.py:Stripes") == get_labeler("stripes")
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / f"{module}.py"
    copy.write_text((tmp_path / f"{module}.py").read_text())
    with pytest.raises(FFLabelsError, match=r"already exists; .*use the installed labeler: --kind stripes"):
        get_labeler(f"{copy}:Stripes")


def test_two_owners_of_a_name_are_refused_and_both_named(install):
    install("fflabels-stripes")
    install("other-stripes", version="1.0")
    assert [e.state for e in registry.entries() if e.name == "stripes"] == ["ambiguous", "ambiguous"]
    both = r"stripes exists in several distributions .*fflabels-stripes:stripes \(0.3\), other-stripes:stripes \(1.0\)"
    with pytest.raises(FFLabelsError, match=both):
        get_labeler("stripes")
    assert get_labeler("other-stripes:stripes").name == "stripes"
    assert get_labeler("morph").name == "morph"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("stripes", ["stripes"]),
        ("fflabels-stripes", ["stripes"]),
        ("dots , other", ["dots"]),
        ("nothing", []),
    ],
)
def test_the_environment_limits_plugins_but_not_built_ins(install, monkeypatch, value, expected):
    install("fflabels-stripes")
    install("fflabels-dots", name="dots")
    monkeypatch.setenv("FFLABELS_PLUGINS", value)
    assert list_labelers() == sorted([*BUILTINS, *expected])


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(FFLabelsError, match=r"unknown labeler; got furier .did you mean 'fourier'"):
        get_labeler("furier")
    with pytest.raises(FFLabelsError, match="unknown labeler; got nobody:morph"):
        get_labeler("nobody:morph")


def run(*arguments, path):
    code = "import sys; from fflabels_cli.app import fflabels; sys.argv = ['fflabels', *sys.argv[1:]]; fflabels()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(path), "PATH": ""}, timeout=60
    )


@pytest.mark.slow
def test_the_commands_survive_a_plugin_that_takes_the_process_down(install, tmp_path):
    install("fflabels-stripes", "import os; os._exit(7)")
    for arguments in (["--help"], ["--version"], ["list"], ["select", "--help"]):
        assert run(*arguments, path=tmp_path).returncode == 0
    assert "stripes" in run("list", path=tmp_path).stdout
    assert run("doctor", path=tmp_path).returncode == 0
    checked = run("doctor", "--check", path=tmp_path)
    assert checked.returncode == 1
    assert "trouble: labeler stripes of fflabels-stripes 0.3: the process ended with code 7" in checked.stdout


@pytest.mark.slow
def test_doctor_names_what_is_broken(install, tmp_path):
    install("fflabels-stripes", value="no_such_module_anywhere:Stripes")
    install("one-dots", name="dots")
    install("two-dots", name="dots")
    found = run("doctor", path=tmp_path)
    assert found.returncode == 1
    assert "trouble: labeler stripes of fflabels-stripes 0.3: no module no_such_module_anywhere" in found.stdout
    assert (
        "trouble: more than one distribution offers labeler dots; for that of one-dots 0.3 write one-dots:dots"
        in found.stdout
    )
    checked = run("doctor", "--check", path=tmp_path)
    assert "trouble: more than one distribution offers labeler dots" in checked.stdout


@pytest.mark.slow
def test_doctor_names_a_second_owner_of_ffnet(install, tmp_path):
    (tmp_path / "ffnet-0.11.dist-info").mkdir()
    (tmp_path / "ffnet-0.11.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ffnet\nVersion: 0.11\n")
    (tmp_path / "ffnet-0.11.dist-info" / "top_level.txt").write_text("ffnet\n")
    found = run("doctor", path=tmp_path)
    assert found.returncode == 1
    assert "PyPI's ffnet is another project" in found.stdout


@pytest.mark.slow
def test_built_in_names_are_reserved(install):
    install("evil", SOUND.replace('"stripes"', '"fourier"'), name="fourier")
    assert [(e.distribution, e.state) for e in registry.entries() if e.name == "fourier"] == [
        ("evil", "reserved"), ("fflabels", "builtin")
    ]  # fmt: skip
    assert registry.owner(get_labeler("fourier"))[0] == "fflabels"
    assert len(design("fourier", 3, candidates=5, shape=(1, 16, 16))) == 3
    assert registry.owner(get_labeler("evil:fourier")) == ("evil", "0.3")
    data = design("evil:fourier", 3, candidates=5, shape=(1, 16, 16)).to_json()
    assert registry.owner(LabelSet.from_json(data).labeler) == ("evil", "0.3")
    install("worse", SOUND.replace('"stripes"', '"fourier"'), name="fourier")
    assert registry.owner(get_labeler("fourier"))[0] == "fflabels"


PARAMETERS = """
from fflabels import Params
class AllParams(Params, frozen=True):
    name: str = "a"
    seed: int = 0
    self: int = 1
    entry: int = 2
Stripes.params_type = AllParams
"""


def test_a_parameter_may_have_any_name(install):
    install("fflabels-stripes", SOUND + PARAMETERS)
    labeler = get_labeler("stripes", name="b", seed=3, self=4, entry=5)
    assert (labeler.params.name, labeler.params.seed, labeler.params.self, labeler.params.entry) == ("b", 3, 4, 5)
    assert repr(labeler) == "Stripes(name='b', seed=3, self=4, entry=5)"


def test_what_a_plugin_refuses_names_it_too(install):
    code = SOUND.replace("imprint = np.zeros_like", "raise FFLabelsError('too dark', where='x'); np.zeros_like")
    install("fflabels-stripes", code.replace("import Labeler", "import FFLabelsError, Labeler"))
    with pytest.raises(FFLabelsError, match=r"^labeler stripes of fflabels-stripes 0.3: x: too dark$"):
        design("stripes", 2, candidates=4, shape=(1, 8, 8))


def test_a_class_that_its_package_imports_from_a_module_has_its_distribution(install, tmp_path):
    module = install("fflabels-stripes", "from stripes_inside import Stripes")
    (tmp_path / "stripes_inside.py").write_text(SOUND)
    assert registry.owner(get_labeler("stripes")) == ("fflabels-stripes", "0.3")
    assert design("stripes", 2, candidates=4, shape=(1, 8, 8)).labeler == get_labeler("fflabels-stripes:stripes")
    assert module in sys.modules


def test_any_exception_of_a_plugin_is_its_fault(install):
    code = SOUND.replace("imprint = np", "raise __import__('asyncio').CancelledError('odd'); np")
    install("fflabels-stripes", code)
    with pytest.raises(FFLabelsError, match=r"labeler stripes of fflabels-stripes 0.3: CancelledError: odd"):
        design("stripes", 2, candidates=4, shape=(1, 8, 8))


def test_the_line_of_a_fault_is_told_in_any_folder(tmp_path, monkeypatch):
    (tmp_path / "torch").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "torch")
    (tmp_path / "torch" / "stripes_of_a_file.py").write_text(SOUND.replace("imprint = np", "raise KeyError('b'); np"))
    labeler = importlib.import_module("stripes_of_a_file").Stripes()
    with pytest.raises(FFLabelsError, match=r"KeyError: 'b' \(stripes_of_a_file.py:\d+\)"):
        design(labeler, 2, candidates=4, shape=(1, 8, 8))


def test_a_file_with_the_name_of_the_main_program_is_refused(tmp_path):
    (tmp_path / "__main__.py").write_text(SOUND)
    with pytest.raises(FFLabelsError, match="a module with the file's name already exists; got __main__"):
        get_labeler(f"{tmp_path}/__main__.py:Stripes")


def test_a_long_message_is_cut(install):
    install("fflabels-stripes", SOUND.replace("imprint = np", "raise ValueError('x' * 5000); np"))
    with pytest.raises(FFLabelsError) as caught:
        design("stripes", 2, candidates=4, shape=(1, 8, 8))
    assert len(str(caught.value)) < 400


def test_a_missing_method_is_named(install):
    install("fflabels-stripes", SOUND.replace("def imprint", "def draw"))
    with pytest.raises(FFLabelsError, match=r"NotImplementedError: Stripes defines no imprint\(self, images, recipe\)"):
        design("stripes", 2, candidates=4, shape=(1, 8, 8))


def test_an_installed_name_is_taken_and_the_way_out_is_told(install):
    install("fflabels-stripes")

    class Other(Labeler):
        name = "stripes"
        recipe_type = type(get_labeler("stripes")).recipe_type

    with pytest.raises(FFLabelsError, match=r'fflabels-stripes 0.3 has it; FFLABELS_PLUGINS="" leaves out what'):
        registry.offer(Other)
