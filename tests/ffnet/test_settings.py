"""The settings there are: a new one needs a measured gain, a published recipe or an experiment (CONTRIBUTING)."""

import msgspec

from ffnet import Config

SETTINGS = """
algorithm convolution device dtype seed
data.limit data.name data.offline data.root data.size data.validation
inference.chunk inference.layers inference.linear_batch inference.linear_decay inference.linear_epochs
inference.linear_images
inference.linear_lr inference.linear_pool inference.mirror inference.test
labels.assign labels.candidates labels.intensity labels.method labels.metric
labels.min_visibility labels.n labels.params labels.seed labels.set
net.detach net.first_layer net.init net.kernel net.label_every_layer net.norm net.offered_waves net.pools net.strides
net.widths
train.alpha train.batch train.checkpoint_seconds train.crop train.epochs train.flip train.goodness train.loss train.lr
train.negatives train.negatives_each train.peer train.relu_gradient train.schedule train.temperature train.theta
train.validate_every train.weight_decay
"""


def test_no_setting_comes_or_goes_unnoticed():
    tree = msgspec.to_builtins(Config())
    sections = {name for name, value in tree.items() if isinstance(value, dict)}
    found = [name for name in tree if name not in sections]
    found += [f"{section}.{name}" for section in sections for name in tree[section]]
    assert sorted(found) == sorted(SETTINGS.split())
