"""Label sets of a plugin that has changed since: other drawings, other recipes, other names, other versions."""

import base64
import json
import sys
import warnings

import numpy as np
import pytest
from installed import SOUND

from fflabels import FFLabelsError, LabelSet, design, get_labeler, named_set, origin, registry
from fflabels.errors import LabelsChangedWarning
from fflabels.labelers.fourier import FourierRecipe, Wave
from fflabels.recipe import canonical_json, sha256
from fflabels.reference_imprints import ReferenceImprints, reference_image

SMALL = {"candidates": 5, "shape": (1, 16, 16), "references": "digits"}
INVERTED = SOUND.replace("return imprint", "return 1 - imprint")
RENAMED_FIELD = SOUND.replace("period", "width")
UPGRADING = (
    RENAMED_FIELD
    + """
    @classmethod
    def upgrade(cls, recipe, version):
        if version == "0.3":
            recipe["width"] = recipe.pop("period")
        return recipe
"""
)


@pytest.fixture
def data(install):
    """The file of a set by version 0.3 of a plugin."""
    install("fflabels-stripes")
    return design("stripes", 3, **SMALL).to_json()


def rewritten(data, change):
    content = json.loads(data)
    del content["sha256"]
    change(content)
    return json.dumps({**content, "sha256": sha256(canonical_json(content))}).encode()


def as_version_1(data):
    return rewritten(data, lambda content: (content.pop("imprints"), content.update(version=1)))


def quiet(data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return LabelSet.from_json(data, **options)


def test_the_file_holds_what_each_label_draws_as_bytes(data):
    imprints = json.loads(data)["imprints"]
    assert imprints["shape"] == [1, 16, 16]
    labels = quiet(data)
    drawn = labels.imprints(reference_image((1, 16, 16)))
    for text, imprint in zip(imprints["imprints"], drawn, strict=True):
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(text), np.uint8), np.rint(imprint.ravel() * 255))


def test_a_file_of_version_1_is_read(data):
    assert quiet(as_version_1(data)) == quiet(data)


def test_labels_that_are_drawn_otherwise_are_told_with_both_versions(data, install):
    install("fflabels-stripes", INVERTED, version="0.4")
    both = (
        r"set: 3 of 3 labels of labeler stripes of fflabels-stripes 0.4 are drawn differently from when the set was "
        r"written, label 0 among them \(written by fflabels-stripes 0.3; fflabels-stripes 0.4 is used now: "
        r"pip install fflabels-stripes==0.3\)"
    )
    with pytest.warns(LabelsChangedWarning, match=both):
        LabelSet.from_json(data, "set")
    with pytest.raises(FFLabelsError, match=both):
        LabelSet.from_json(data, "set", changed="refuse")
    quiet(data, changed="ignore")


def test_one_label_of_many_is_enough(data, install):
    period = json.loads(data)["recipes"][1]["period"]
    install("fflabels-stripes", SOUND.replace(":: recipe.period", f":: recipe.period + (recipe.period == {period})"))
    with pytest.warns(LabelsChangedWarning, match="1 of 3 labels .* label 1 among them$"):
        LabelSet.from_json(data)


def test_rounding_of_another_processor_raises_no_alarm(data, install):
    for step, alarm in ((1, False), (2, True)):
        install("fflabels-stripes", SOUND.replace("return imprint", f"return abs(imprint - {step} / 255)"))
        if alarm:
            with pytest.warns(LabelsChangedWarning):
                LabelSet.from_json(data)
        else:
            quiet(data)


def test_another_version_that_draws_alike_is_noted(data, install):
    for version in ("0.4", "0.1"):
        install("fflabels-stripes", version=version)
        with pytest.warns(
            LabelsChangedWarning, match=rf"drawn as before \(written by fflabels-stripes 0.3; .* {version}"
        ):
            LabelSet.from_json(data, changed="refuse")
    with pytest.warns(LabelsChangedWarning, match="the file cannot tell"):
        LabelSet.from_json(as_version_1(data))


def test_a_built_in_set_is_noted_only_if_it_is_from_the_future():
    def of(version):
        return rewritten(named_set("fourier:low10").to_json(), lambda c: c["labeler"].update(version=version))

    quiet(of("0.0.1"))
    with pytest.warns(LabelsChangedWarning, match=r"written by fflabels 99\.0"):
        LabelSet.from_json(of("99.0"))


@pytest.mark.parametrize(
    ("shape", "reference"),
    [((3, 224, 224), (3, 16, 16)), ((1, 28, 8), (1, 16, 8)), ((64, 1, 1), (64, 1, 1)), ((1, 16, 16), (1, 16, 16))],
)
def test_the_reference_image_follows_the_shape_of_the_set(shape, reference):
    labeler = get_labeler("morph", families=("intensity",))
    recipes = [labeler.propose(np.random.default_rng(j), (1, 16, 16)) for j in range(2)]
    assert ReferenceImprints.draw(labeler, recipes, shape).shape == reference


def test_recipes_that_do_not_fit_16_pixels_are_drawn_on_more():
    fast = LabelSet([FourierRecipe((Wave(0, 20),)), FourierRecipe((Wave(3, 0),))], "fourier")
    assert json.loads(fast.to_json())["imprints"] is None  # at 1×32×32 there is no such wave
    imprints = ReferenceImprints.draw(fast.labeler, fast.recipes, (1, 200, 200))
    assert imprints.shape == (1, 64, 64)
    assert imprints.changed(fast.labeler, fast.recipes) == []


def test_a_large_set_keeps_the_imprints_of_its_first_labels():
    labeler = get_labeler("morph", families=("intensity",), max_length=1)
    recipes = [labeler.propose(np.random.default_rng(j), (3, 16, 16)) for j in range(1500)]
    imprints = ReferenceImprints.draw(labeler, recipes, (3, 64, 64))
    assert len(imprints.imprints) == (1 << 20) // (3 * 256)
    assert imprints.changed(labeler, recipes) == []


def test_the_reference_image_is_the_same_for_ever():
    assert sha256(np.rint(reference_image((3, 16, 16)) * 255).astype(np.uint8).tobytes()) == (
        "066357353cc83bb5578097d92a89b97e60c5d6f502cc5ea5d729aa8bc7d99683"
    )


MISFITS = {
    "a field is new": (
        RENAMED_FIELD, r"recipes\[0\]: Object (missing required field `width`|contains unknown field `period`)"
    ),
    "a parameter is gone": (
        SOUND, r"labeler stripes of fflabels-stripes 0.4: unknown parameter; got strength \(known: none\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", MISFITS)
def test_recipes_that_do_not_fit_name_both_versions(data, install, fault):
    code, message = MISFITS[fault]
    if "parameter" in fault:
        data = rewritten(data, lambda content: content["labeler"].update(params={"strength": 1}))
    install("fflabels-stripes", code, version="0.4")
    both = r" \(written by fflabels-stripes 0.3; fflabels-stripes 0.4 is used now: pip install fflabels-stripes==0.3\)"
    with pytest.raises(FFLabelsError, match=f"set.*{message}{both}"):
        LabelSet.from_json(data, "set")


def test_a_plugin_upgrades_its_recipes(data, install):
    install("fflabels-stripes", UPGRADING, version="0.4")
    with pytest.warns(LabelsChangedWarning, match="drawn as before"):
        labels = LabelSet.from_json(data)
    assert [r.width for r in labels.recipes] == [r["period"] for r in json.loads(data)["recipes"]]


def test_a_plugin_upgrades_its_parameters(data, install):
    code = SOUND + "\n    @classmethod\n    def upgrade_params(cls, params, version):\n        return {}\n"
    install("fflabels-stripes", code, version="0.4")
    old = rewritten(data, lambda content: content["labeler"].update(params={"strength": 1}))
    with pytest.warns(LabelsChangedWarning, match="drawn as before"):
        LabelSet.from_json(old)


def test_an_upgrade_that_raises_is_named(data, install):
    install("fflabels-stripes", UPGRADING.replace('recipe.pop("period")', "1 / 0"), version="0.4")
    with pytest.raises(
        FFLabelsError, match=r"recipes\[0\]: labeler stripes of fflabels-stripes 0.4: ZeroDivisionError"
    ):
        LabelSet.from_json(data)


def test_a_renamed_labeler_is_found_by_its_alias(data, install):
    code = SOUND.replace('name = "stripes"', 'name = "bars"\n    aliases = ("stripes",)')
    install("fflabels-stripes", code, name="bars", version="0.4")
    with pytest.warns(LabelsChangedWarning, match="drawn as before"):
        assert LabelSet.from_json(data).labeler.name == "bars"


def test_a_renamed_distribution_is_found_by_its_alias(data, install, tmp_path):
    gone(tmp_path)
    install(
        "stripes-ng", SOUND.replace('name = "stripes"', 'name = "stripes"\n    aliases = ("fflabels-stripes:stripes",)')
    )
    with pytest.warns(LabelsChangedWarning, match=r"written by fflabels-stripes 0.3; stripes-ng 0.3 is used now"):
        assert registry.owner(LabelSet.from_json(data).labeler) == ("stripes-ng", "0.3")


def test_a_labeler_without_alias_is_named_and_taken_if_the_user_says_so(data, install, tmp_path, monkeypatch):
    gone(tmp_path)
    install("stripes-ng")
    hint = r"not installed \(pip install fflabels-stripes==0.3; or --labeler NAME if it was renamed: stripes-ng:stripes"
    with pytest.raises(FFLabelsError, match=hint):
        LabelSet.from_json(data)
    monkeypatch.setattr(origin, "substitute", registry.find("stripes-ng:stripes"))
    with pytest.warns(LabelsChangedWarning, match="stripes-ng 0.3 is used now"):
        LabelSet.from_json(data)


def test_a_labeler_that_is_gone_from_its_distribution_is_called_that(data, install):
    install("fflabels-stripes", SOUND.replace('"stripes"', '"bars"'), name="bars", version="0.4")
    message = r"fflabels-stripes 0.4 is installed, but has no labeler stripes \(pip install fflabels-stripes==0.3; or"
    with pytest.raises(FFLabelsError, match=message):
        LabelSet.from_json(data)


def test_a_labeler_that_the_environment_hides_is_called_that(data, monkeypatch):
    monkeypatch.setenv("FFLABELS_PLUGINS", "")
    with pytest.raises(FFLabelsError, match=r"of fflabels-stripes 0\.3, which FFLABELS_PLUGINS leaves out"):
        LabelSet.from_json(data)


def gone(tmp_path):
    (tmp_path / "fflabels_stripes-0.3.dist-info" / "entry_points.txt").unlink()
    sys.modules.pop("fflabels_stripes_module", None)


@pytest.mark.parametrize(("n", "width"), [(10, 512), (100, 128)])
def test_every_code_is_in_the_file_and_a_change_of_the_last_one_is_refused(n, width):
    data = named_set("code:hadamard", n, (width, 1, 1)).to_json()
    assert len(json.loads(data)["imprints"]["imprints"]) == n
    last = LabelSet.from_json(data).recipes[-1]

    class Changed(type(get_labeler("code"))):
        def imprint(self, images, recipe):
            values = super().imprint(images, recipe)
            return 1 - values if recipe == last else values

    with pytest.raises(FFLabelsError, match=rf"1 of {n} labels .* label {n - 1} among them"):
        LabelSet.from_json(data, labeler=Changed, changed="refuse")


def test_a_set_whose_imprints_would_be_too_many_holds_those_of_its_first_labels(monkeypatch):
    monkeypatch.setattr("fflabels.reference_imprints.MAX_BYTES", 3 * 16 * 16)
    assert len(json.loads(named_set("fourier:paper10").to_json())["imprints"]["imprints"]) == 3


def test_what_to_do_with_changed_labels_is_checked(data):
    with pytest.raises(FFLabelsError, match="changed: unknown; got refused; expected warn, refuse, ignore"):
        LabelSet.from_json(data, changed="refused")
