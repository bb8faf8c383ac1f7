"""The conformance kit: every check fails the one labeler that breaks its promise, and passes all others."""

import re
import subprocess
import sys
import textwrap
import time

import faulty
import pytest
from faulty import FAULTY, Colours, Draws, Intensity, Online, Shade, StripeParams, Stripes, Untagged, Writing

from fflabels import FFLabelsError, Labeler, LabelSet, Params, design, get_labeler, list_labelers
from fflabels.testing import KIT, CheckFailedError, LabelerTests, check_labeler, parametrize_with_checks
from fflabels.testing.apart import LOADS, check_apart
from fflabels.testing.kit import CHECKS, _outcome, after_first, checks_of

pytest_plugins = ["fflabels.testing.fixtures"]


def failures(labeler, **options):
    return {r.check: r.message for r in check_labeler(labeler, **options) if r.status not in ("passed", "skipped")}


@parametrize_with_checks([Stripes, Shade, Colours, Stripes(longest=9.0), "morph", "fourier", "onehot", "waves", "code"])
def test_sound_labelers_pass(labeler, check):
    check(labeler)


def test_every_check_has_a_labeler_that_fails_it():
    assert [*FAULTY, "golden"] == sorted(CHECKS, key=[*FAULTY, "golden"].index)


MESSAGES = {
    "draws": "on images of 1×32×32: RuntimeError: no stripes today .faulty.py:[0-9]+.$",
    "parameter_names": "params_type: does not hold; got seed; expected other names than candidates, intensity",
    "contract": "name: does not hold; got Stripes, mine; expected a lower case letter",
    "recipe_round_trip": r"from its JSON: does not hold; got PairRecipe.pair=\[.*expected PairRecipe.pair=\(",
    "parameters": "takes no_such_parameter=<object>",
    "determinism": "recipes of the generator seeded with 0",
    "distinctness": "3",
    "shapes": "ValueError: cannot reshape .*faulty.py:",
    "pixel_range": "on black, grey and white images: does not hold; got NaN or infinity",
    "precision": "imprint on float64 images: does not hold; got .*float32",
    "no_mutation": "the images after imprint of .*changed",
    "batches": "imprint_each: does not hold; got pixels that differ by up to .*as one by one",
    "torch_tensors": "imprint on a tensor: does not hold; got ndarray; expected a tensor",
    "global_random_state": "the global state of numpy.random",
    "threads": "drawn beside other threads",
    "spawned_processes": "recipes proposed in a new process",
    "image_independence": "with image_independent = True each label is drawn once",
    "intensity": "embed at K = 0",
    "pace": "a candidate: does not hold; got [\\d.]+ ms; expected at most 50 ms",
    "sets_on_demand": "another number of recipes in the built-in set two; got 2; expected 4",
    "no_outside_access": "access: does not hold; got open .*faulty.py",
}


@pytest.mark.slow
@pytest.mark.parametrize("check", FAULTY)
def test_a_fault_fails_its_check_and_no_other(check):
    found = failures(FAULTY[check])
    assert set(found) == {check}
    assert re.search(MESSAGES[check], found[check]), found[check]
    assert "\n" not in found[check]


class Picturesque(Stripes):
    pattern = "picturesque"


class Blind(Stripes):
    pattern = "code"
    image_independent = False


def test_the_tag_says_what_a_label_is_a_pattern_over():
    status, message = _outcome(CHECKS["contract"], Picturesque())
    assert (status, message) == (
        "failed", "pattern: does not hold; got picturesque; expected picture or channels or code"
    )  # fmt: skip
    status, message = _outcome(CHECKS["contract"], Blind())
    assert message == "image_independent: does not hold; got False; expected True: codes do not depend on the image"


def test_codes_of_a_constant_weight_keep_the_contract():
    assert failures(get_labeler("code", weight=3)) == {}


def test_one_cause_is_one_failure():
    results = {r.check: r for r in check_labeler(Untagged)}
    assert results["draws"].message.startswith(
        "on images of 1×32×32: ValueError: cannot draw on (4, 1, 32, 32) (faulty"
    )
    assert results.pop("draws").status == "failed"
    assert {(r.status, r.message) for r in results.values()} == {("skipped", "not run after draws")}

    class Late(Stripes):
        def embed(self, images, imprints, intensity):
            raise RuntimeError("no embedding today")

    late = {r.check: (r.status, r.message) for r in check_labeler(Late) if r.status != "passed"}
    assert late["no_mutation"][1].startswith("RuntimeError: no embedding today")
    assert late["intensity"] == ("skipped", "fails as no_mutation does")
    assert [check for check, (status, _) in late.items() if status == "failed"] == ["no_mutation", "spawned_processes"]


def test_an_expected_failure_hides_no_other():
    class Late(Stripes):
        def embed(self, images, imprints, intensity):
            raise RuntimeError("no embedding today")

    found = failures(Late, expected_failures={"no_mutation": "known"})
    assert found["no_mutation"] == "known"
    assert found["intensity"].startswith("RuntimeError: no embedding today")


@pytest.mark.slow
def test_a_function_that_numpy_alone_has_is_named():
    class AsType(Shade):
        def imprint(self, images, recipe):
            return (images * 0.5).astype(images.dtype)

    found = failures(AsType)["torch_tensors"]
    function = "whose arrays have no method astype; perhaps it has a function, xp.astype(…)"
    assert f"{function}; if your library takes NumPy arrays only, say numpy_only = True" in found


def test_parameters_that_cannot_be_hashed_are_called_that():
    class ListParams(Params, frozen=True):
        bands: list[int] = []  # noqa: RUF012

    class Listed(Stripes):
        params_type = ListParams

        def propose(self, rng, shape):
            return Stripes().propose(rng, shape)

    assert "expected numbers, texts and tuples, no lists" in failures(Listed)["parameters"]
    alone = {check.name: after_first(check) for check in checks_of()}
    alone["determinism"](Listed())
    with pytest.raises(CheckFailedError, match="no lists"):
        alone["parameters"](Listed())


def test_the_tests_that_an_author_wrote_are_kept():
    class TestMine(LabelerTests):
        labeler = Stripes

        def test_pace(self):
            return "mine"

        def test_golden(self):
            return "mine, too"

    assert (TestMine().test_pace(), TestMine().test_golden()) == ("mine", "mine, too")
    assert TestMine().test_determinism() is None

    class TestHeir(TestMine):
        kit = 1

    assert TestHeir().test_pace() == "mine"
    assert TestHeir.test_draws is None
    assert TestMine.test_draws is not None


def test_a_labeler_of_other_images_is_refused_elsewhere():
    message = r"stripes: cannot draw on images of this shape; got 1×32×32; expected 3 channels and 20 pixels a side"
    with pytest.raises(FFLabelsError, match=message):
        design(Colours(), 3, candidates=5)
    assert len(design(Colours(), 3, candidates=5, shape=(3, 20, 20))) == 3


@pytest.mark.slow
def test_a_golden_file_holds_later_versions_to_what_was_drawn(tmp_path):
    path = tmp_path / "golden.json"
    LabelSet(design(Stripes(), 4, candidates=9, shape=(1, 16, 16)).recipes, Stripes()).save(path)
    [result] = [r for r in check_labeler(Stripes, golden=path) if r.check == "golden"]
    assert result.status == "passed"

    class Inverted(Stripes):
        def imprint(self, images, recipe):
            return 1 - super().imprint(images, recipe)

    [result] = [r for r in check_labeler(Inverted, golden=path) if r.check == "golden"]
    assert result.status == "failed"
    assert "4 of 4 labels of labeler stripes are drawn differently from when the set was written" in result.message
    path.unlink()
    assert failures(Stripes, golden=path) == {"golden": f"{path}: cannot be read: No such file or directory"}
    assert "golden" not in [r.check for r in check_labeler(Draws)]


def test_the_network_is_blocked_and_seen_though_its_failure_is_hidden():
    found = failures(Online)
    assert set(found) == {"no_outside_access"}
    assert "socket." in found["no_outside_access"]


def test_a_file_written_in_a_thread_is_blocked_and_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, message = _outcome(CHECKS["no_outside_access"], Writing())
    assert (status, message) == ("failed", "access: does not hold; got open 'written.txt'; expected none")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_slow_reader_gets_every_result():
    results = []
    for result in check_apart(f"{faulty.__file__}:ImageIndependence", [LOADS, "image_independence", "determinism"]):
        results.append((result.check, result.status))
        time.sleep(1)  # the process ends meanwhile
    assert results == [(LOADS, "passed"), ("image_independence", "failed"), ("determinism", "passed")]


@pytest.mark.slow
def test_expected_failures_are_told_apart_and_expire():
    assert failures(Intensity, expected_failures={"intensity": "by hand"}) == {"intensity": "by hand"}
    [late] = [r for r in check_labeler(Intensity, expected_failures={"intensity": "by hand"}) if r.check == "intensity"]
    assert late.status == "expected failure"
    [message] = failures(Stripes, expected_failures={"intensity": "by hand"}).values()
    assert message.startswith("passes, but is listed as an expected failure (by hand)")
    with pytest.raises(FFLabelsError, match=r"no such check; got intense .did you mean 'intensity'"):
        check_labeler(Stripes, expected_failures={"intense": ""})


def test_versions_of_the_kit_are_pinned():
    assert [*[c.name for c in checks_of(KIT)], "golden"] == sorted(CHECKS, key="golden".__eq__)
    assert {c.name for c in checks_of(KIT)} - {c.name for c in checks_of(1)} == {
        "draws", "parameter_names", "sets_on_demand",
    }  # fmt: skip
    assert {c.name for c in checks_of(KIT)} - {c.name for c in checks_of(2)} == {"sets_on_demand"}
    with pytest.raises(FFLabelsError, match="no such version of the kit; got 99; expected 1 to 3"):
        check_labeler(Stripes, kit=99)


def test_what_is_no_labeler_is_refused():
    with pytest.raises(FFLabelsError, match="labeler: not a labeler; got 5"):
        check_labeler(5)


@pytest.mark.slow
def test_a_class_in_main_skips_the_new_process_and_pytest_is_not_needed(tmp_path):
    code = """
    import sys
    from fflabels import Labeler, Recipe
    from fflabels.testing import check_labeler
    from fflabels.labelers.fourier import Fourier
    class Mine(Fourier): pass
    print([r.message for r in check_labeler(Mine()) if r.status == "skipped"])
    assert "pytest" not in sys.modules
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=tmp_path)
    assert "the class is in __main__" in done.stdout, done.stderr


PYTEST_MODULE = """
from faulty import Draws, Intensity, NoMutation, Stripes
from fflabels.testing import LabelerTests, parametrize_with_checks

class TestStripes(LabelerTests):
    labeler = Stripes()

class TestSlow(LabelerTests):
    labeler = Intensity
    expected_failures = {"intensity": "by hand"}

class TestGolden(LabelerTests):
    labeler = Stripes
    golden = "golden.json"

class TestRaising(LabelerTests):
    labeler = Draws

class TestStale(LabelerTests):
    labeler = Stripes
    expected_failures = {"intensity": "by hand"}

@parametrize_with_checks([NoMutation])
def test_mutating(labeler, check):
    check(labeler)

@parametrize_with_checks([Intensity], expected_failures={"intensity": "by hand"})
def test_slow(labeler, check):
    check(labeler)
"""


@pytest.mark.slow
def test_in_pytest_an_author_sees_one_test_a_check(tmp_path):
    (tmp_path / "test_mine.py").write_text(PYTEST_MODULE)
    LabelSet(design(Stripes(), 2, candidates=3, shape=(1, 16, 16)).recipes, Stripes()).save(tmp_path / "golden.json")
    path = [str(p) for p in (tmp_path, *sys.path) if p]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": ":".join(path), "PATH": ""}
    )
    count = len(checks_of())
    assert f"3 failed, {6 * count + 1 - 4} passed, {count - 1} skipped, 2 xfailed" in done.stdout, done.stdout
    assert "kit.py" not in done.stdout, "an author sees no frame of ours"
    assert "TestStale.test_intensity" in done.stdout.replace("::", ".")
    assert "test_mutating[NoMutation(longest=16.0)-no_mutation]" in done.stdout


def test_a_fixture_blocks_discovery_and_offers_a_class(isolated_labelers):
    assert isolated_labelers(Stripes).name == "stripes"
    assert list_labelers() == ["code", "fourier", "morph", "onehot", "stripes", "waves"]
    assert get_labeler("stripes", longest=9).params == StripeParams(longest=9)
    assert isolated_labelers(Stripes).state == "available"

    class Other(Labeler):
        name = "stripes"
        recipe_type = Stripes.recipe_type

    with pytest.raises(FFLabelsError, match=r"the name is taken; got stripes \(faulty:Stripes has it\)"):
        isolated_labelers(Other)


def test_the_fixture_forgets_what_it_offered():
    assert "stripes" not in list_labelers()
