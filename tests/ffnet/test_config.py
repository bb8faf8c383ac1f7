"""Settings are checked by name."""

import pytest
from reference import net

import ffnet
from fflabels.errors import FFLabelsError


def test_settings_are_checked_by_name():
    for setting, message in [
        ("train.epohcs=3", "no such setting; got train.epohcs .did you mean 'epochs'"),
        ("trian.epochs=3", "no such section; got trian.epochs .did you mean 'train'"),
        ("train.epochs=0", "Expected `int` >= 1"),
        ("net.kernel=4", "net.kernel: even"),
        ("net.pools=[2]", "net.pools: needs one value per layer"),
        ("inference.layers=weigthed", r"inference.layers. \(did you mean 'weighted'\? known: last, sum, weighted\)"),
        ("algorithm=fff", r"'fff' - at .*did you mean 'ff'\? known: bp, ff"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            ffnet.Config().override([setting])
    with pytest.raises(FFLabelsError, match=r"unknown goodness.*did you mean 'contrast'"):
        net("train.goodness=contrats")


@pytest.mark.parametrize("name", ["2024-01-01", "12:30:00", "2024-01-01T12:30:00"])
def test_a_folder_may_be_named_after_a_date(name):
    assert ffnet.Config().override([f"data.name={name}"]).data.name == name
