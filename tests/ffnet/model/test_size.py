"""The number of parameters by the settings alone is that of the net."""

import pytest
from reference import SHAPE, config

from fflabels import named_set
from ffnet.labels.codes import choose_codes
from ffnet.model.size import parameters
from ffnet.runs.folder import build

CODES = ["labels.goodness.set=code:hadamard", "net.widths=[12,16,12]", "train.negatives=hard"]


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["labels.layers.set=imprint", "net.strides=[2,1,1]", "net.kernel=5"],
        ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=3", "net.norm=batch"],
        ["train.goodness=learned-contrast"],
        CODES,
        [*CODES, "labels.goodness.learn=true"],
        ["algorithm=bp", "train.goodness=learned-contrast", "labels.layers.set=imprint"],
        ["algorithm=local", "labels.layers.set=imprint"],
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_number_of_parameters_needs_no_net(settings, channels):
    ours, shape = config(*settings), (channels, *SHAPE[1:])
    labels = None
    if ours.algorithm == "ff":
        labels = choose_codes(ours, 10) if ours.has_codes else named_set("fourier:paper10")
    net = build(ours, shape, labels, 10)
    assert parameters(ours, shape, 10) == sum(parameter.numel() for parameter in net.parameters())
