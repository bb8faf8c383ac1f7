"""The settings there are: a new one needs a measured gain, a published recipe or an experiment (CONTRIBUTING)."""

import msgspec

from ffnet import Config

SETTINGS = """
algorithm convolution device dtype seed
data.limit data.name data.offline data.range data.root data.size data.validation
inference.chunk inference.layers inference.linear_batch inference.linear_decay inference.linear_epochs
inference.linear_images
inference.linear_lr inference.linear_pool inference.mirror inference.test
labels.assign labels.candidates labels.goodness.learn labels.goodness.regions labels.goodness.scale labels.goodness.set
labels.intensity
labels.layers.channels labels.layers.set labels.method labels.metric
labels.min_visibility labels.n labels.params labels.seed labels.set
net.detach net.first_layer net.init net.kernel net.norm net.pools net.strides net.widths
train.alpha train.batch train.checkpoint_seconds train.crop train.epochs train.flip train.goodness train.loss train.lr
train.negatives train.negatives_each train.peer train.relu_gradient train.schedule train.temperature train.theta
train.validate_every train.weight_decay
"""


def names_of(section, prefix=""):
    for field in msgspec.structs.fields(section):
        value = getattr(section, field.name)
        yield from (
            names_of(value, f"{prefix}{field.name}.") if isinstance(value, msgspec.Struct) else [prefix + field.name]
        )


def test_no_setting_comes_or_goes_unnoticed():
    assert sorted(names_of(Config())) == sorted(SETTINGS.split())
