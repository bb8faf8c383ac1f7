"""Small nets and batches for the tests, and the formulas that they hold ffnet against, written for autograd."""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

import ffnet
from fflabels import named_set
from ffnet.labels.codes import choose_codes
from ffnet.model.goodness import FLOOR, GOODNESS, Goodness

SHAPE = (1, 14, 14)
SMALL = ["net.widths=[4,6,6]", "net.kernel=3", "net.pools=[2,1,1]"]
"""Three layers, for single steps on images of `SHAPE`."""
TWO_LAYERS = ["net.widths=[4,6]", "net.pools=[2,2]", "inference.linear_epochs=2"]
"""Two layers, trained on digits in a second."""
SMALL_RUN = [
    *TWO_LAYERS, "data.limit=128", "net.kernel=3", "train.epochs=3", "labels.set=fourier:paper10",
    "train.checkpoint_seconds=0",
]  # fmt: skip
"""A run of twelve steps, each with a checkpoint."""
SMALL_READ = ["labels.set=fourier:paper10", "train.epochs=2", "net.widths=[8,12,12]", "inference.linear_epochs=2"]
"""Three layers that know enough for inference methods to differ."""
SMALL_TRAINED = {
    "labels.candidates": 16, "data.limit": 200, "net.widths": [4, 6, 6], "train.epochs": 2,
    "inference.linear_epochs": 2,
}  # fmt: skip
"""What the fixtures `runs` and `data` are made with."""


def halves(channels):
    """Weights that make the learned contrast begin as ``log-contrast``."""
    half = channels // 2
    weight = torch.full((channels,), channels / (2 * max(half, 1)))
    weight[half:] = -channels / (2 * (channels - half))
    return weight


GOODNESS["learned-contrast"] = Goodness(
    of=lambda s, pixels, weight: 2 * ((s + FLOOR).log() * weight).mean(1), theta=lambda *_: 0.0, first_weights=halves
)
"""A goodness with weights that a layer learns, of the tests alone: layers can have one."""


def with_regions(ours, regions):
    """Let the goodness of every layer see its channels in regions, as channels of their own."""
    size = ours.shape[1:]
    for layer in ours.layers:
        layer.regions = tuple(min(regions, side) for side in layer.activity_size(*size))
        if layer.goodness_weight is not None:
            weight = halves(len(layer.bias) * layer.regions[0] * layer.regions[1])
            layer.goodness_weight = torch.nn.Parameter(weight.to(layer.weight))
        size = layer.pooled_size(*size)
    return ours


def region_squares(y, side):
    """The mean square of each of `side` × `side` regions of a channel, (N, channels × regions); they may overlap."""
    edges = [(i * y.shape[2] // side, -(-(i + 1) * y.shape[2] // side)) for i in range(side)]
    return torch.stack([y[:, :, a:b, c:d].square().mean((2, 3)) for a, b in edges for c, d in edges], 2).flatten(1)


def make_folder(root, classes=("cat", "dog"), each=8, size=(12, 10), mode="RGB"):
    """Make a folder of class folders with random pictures."""
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for k in range(each):
            pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / name / f"{k}.png")
    return root


def config(*settings):
    return ffnet.Config().override([*SMALL, "net.norm=layer", "train.negatives=uniform", *settings])


def net(*settings):
    return ffnet.FFNet(config(*settings), SHAPE, named_set("fourier:paper10"))


def batch(size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(size, *SHAPE, generator=generator, dtype=torch.float64)
    right = torch.randint(10, (size,), generator=generator)
    return images, torch.stack([right, (right + 1 + torch.arange(size) % 9) % 10], 1)


def normalized(x, kind):
    if kind == "layer":
        return x / (x.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
    if kind == "batch":
        return (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    return x / (x.square().mean() + 1e-5).sqrt() if kind == "rms" else x


def reference_loss(g_pos, g_neg, theta, options):
    if options.loss == "bce":
        positive = F.binary_cross_entropy_with_logits((g_pos - theta) / options.temperature, torch.ones_like(g_pos))
        negative = F.binary_cross_entropy_with_logits((g_neg - theta) / options.temperature, torch.zeros_like(g_neg))
        return (positive + negative) / 2
    if options.loss == "softplus":
        return F.softplus(-options.alpha * (g_pos - g_neg)).mean()
    return -F.log_softmax(options.alpha * torch.stack([g_pos, g_neg], 1), 1)[:, 0].mean()


def reference_goodness(y, kind, contrast=None):
    if kind == "sum":
        return y.square().sum((1, 2, 3)), y[0].numel()
    if kind == "mean":
        return y.square().mean((1, 2, 3)), 1.0
    if kind == "log":
        return (y.square().mean((1, 2, 3)) + 1e-6).log(), 0.0
    half = y.shape[1] // 2
    if kind.endswith("-contrast"):
        logs = (y.square().mean((2, 3)) + 1e-2).log()
        if contrast is not None:
            return 2 / y.shape[1] * (logs @ contrast), 0.0
        return logs[:, :half].mean(1) - logs[:, half:].mean(1), 0.0
    first, second = y[:, :half].square().mean((1, 2, 3)), y[:, half:].square().mean((1, 2, 3))
    return (first + 1e-6).log() - (second + 1e-6).log(), 0.0


def code_net(*settings, labels=10):
    """A small net whose labels are codes."""
    small = ["labels.goodness.set=code", "labels.candidates=16", "train.alpha=4", *settings]
    chosen = ffnet.Config().override([*SMALL, "net.norm=batch", "net.widths=[6,8,8]", *small])
    return ffnet.FFNet(chosen, SHAPE, choose_codes(chosen, labels))


def reference_code_goodness(pooled, code):
    """Goodness of every label, (N, L), of the pooled activity; the codes have mean 0, positive entries sum to 1."""
    energy = (pooled.square().mean((2, 3)) + 1e-2).log()
    return (energy - energy.mean(1, keepdim=True)) @ code.T


def small_data(*settings):
    """Return settings and 40 digits."""
    chosen = config("data.limit=40", "data.size=14", "train.epochs=1", "inference.linear_epochs=1", *settings)
    return chosen, ffnet.load_data(chosen.data)
