"""``make bench``: ffnet's training step against the loop that a researcher writes (natural.py).

Random images of the data sets' shapes; the goodness, loss and optimizer of the paper, all layers trained. One thread,
variants in turn.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from harness import Row, alternate, write  # noqa: E402
from natural import Natural  # noqa: E402

import ffnet  # noqa: E402
from fflabels import design, named_set  # noqa: E402
from ffnet.data.dataset import Data, Split  # noqa: E402
from ffnet.inference.passes import features  # noqa: E402
from ffnet.model.compute_type import with_dtype  # noqa: E402
from ffnet.model.gradients import convolution_gradient  # noqa: E402
from ffnet.model.layer import LocalLayer  # noqa: E402
from ffnet.model.regions import WHOLE, times_slope  # noqa: E402
from ffnet.training.draws import Draws  # noqa: E402
from ffnet.training.forward_forward import FFLearner  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-training.md"

SMALL = ["net.widths=[32,32,32]", "net.kernel=5"]
PLAIN = [
    "net.init=torch", "net.first_layer=local", "train.peer=0", "train.relu_gradient=true", "train.weight_decay=0",
]  # fmt: skip
"""What natural.py does where a preset differs."""
PEER = ["train.peer=0.03", "train.relu_gradient=full"]
VARIANTS = {
    "float32": [],
    "float32, direct convolutions": ["convolution=direct"],
    "float32, no sample saturated": ["train.temperature=1e6"],
    "float32, peer normalisation": PEER,
    "bfloat16": ["dtype=bfloat16"],
}
# name, preset, settings, labels, rounds, floors
STEPS = [
    ("3×32 5×5, batch 50, 1×28×28, Fourier", "paper-mnist", SMALL, "fourier", 9, {"float32": 1.1, "bfloat16": 1.9}),
    ("3×32 5×5, batch 50, 1×28×28, morphology", "paper-mnist", SMALL, "morph", 9, {}),
    ("paper-mnist: 3×128 7×7, batch 50, 1×28×28, Fourier", "paper-mnist", [], "fourier", 3,
     {"float32": 4.0, "float32, direct convolutions": 1.2, "bfloat16": 2.2}),
    ("paper-cifar10: cifar6, batch 32, 3×32×32, Fourier", "paper-cifar10-fourier", [], "fourier", 5,
     {"float32": 1.4, "bfloat16": 2.0}),
]  # fmt: skip


def random_data(shape, count=400):
    """Bytes and classes of a shape."""
    generator = torch.Generator().manual_seed(0)
    split = Split(
        torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8),
        torch.randint(0, 10, (count,), generator=generator),
    )
    return Data("random", split, split[:0], split[:0], tuple("0123456789"))


class Ours:
    """ffnet's training, step by step; if asked for with a classifier that learns alongside from a neutral pass."""

    def __init__(self, data, labels, config, *, neutral=False):
        self.data, self.config, self.neutral = data, config, neutral
        self.head = None
        self.learner = FFLearner(ffnet.FFNet(config, data.shape, labels), len(data.train))
        self.epoch, self.k, self.draws = -1, 0, ()

    def step(self):
        """Take the next batch; an epoch's draws and figures are part of it."""
        if self.k >= len(self.draws):
            self.epoch, self.k = self.epoch + 1, 0
            self.draws = Draws(
                self.config, self.data.train.classes, 10, self.epoch, labels_device=self.learner.labels_device
            )
            self.learner.epoch_metrics()
        self.learner.step(self.data.train, self.draws, self.k)
        if self.neutral:
            self.classify(self.data.train[self.draws.order_SB[self.k]])
        self.k += 1

    def classify(self, batch):
        """Let the classifier learn from the neutral images, as natural.py does."""
        seen = features(self.learner.net, batch.images)
        if self.head is None:
            self.head = torch.nn.Linear(seen.shape[1], 10)
            self.adam = torch.optim.Adam(self.head.parameters(), lr=1e-3, fused=True)
        loss = torch.nn.functional.cross_entropy(self.head(seen), batch.classes)
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()


def nearly_saturated():
    """Return a row: the weight gradient of one layer when the loss of one wrong label is nearly saturated."""
    generator = torch.Generator().manual_seed(0)
    layer = LocalLayer(64, 64, kernel=3, norm="batch", init="base", generator=generator)
    slope_NC = torch.full((33, 64), 1e-3)
    slope_NC[32] = 1e-36  # the sigmoid 36 decades from 1: times 2/HW and an activity, a subnormal number
    with torch.no_grad():
        x_NCHW = torch.randn(33, 64, 8, 8, generator=generator).contiguous(memory_format=torch.channels_last)
        y_NCHW = layer.activity(x_NCHW)
        variants = {
            "natural": lambda: convolution_gradient(
                x_NCHW, times_slope(y_NCHW, WHOLE, slope_NC), layer.weight, layer.stride
            ),
            "ours": lambda: layer.gradient(x_NCHW, y_NCHW, slope_NC),
        }
        seconds = alternate(variants, 9, dict.fromkeys(variants, 20))
    measured = f"{seconds['natural'] / seconds['ours']:.1f}× ({1e3 * seconds['ours']:.1f} ms against"
    return Row(
        "weight gradient, 64→64 filters 3×3, 33 samples 8×8, the slope of one 10⁻³⁶; against the same without "
        "taking it as 0",
        f"{measured} {1e3 * seconds['natural']:.1f} ms)",
    )


def main():
    """Run everything; exit 1 when a floor is missed."""
    torch.set_num_threads(1)
    native = with_dtype(ffnet.Config().override(["dtype=auto"]), torch.device("cpu")).dtype == "bfloat16"
    rows, missing = [], "" if native else "bfloat16 is not native on this processor: not measured"
    for name, preset, settings, kind, rounds, floors in STEPS:
        config = ffnet.load_preset(preset).config.override([*PLAIN, *settings])
        shape = (1, 28, 28) if config.data.name == "mnist" else (3, 32, 32)
        data = random_data(shape)
        labels = named_set("fourier:paper10") if kind == "fourier" else design("morph", 10, candidates=200, shape=shape)
        ours = {v: Ours(data, labels, config.override(s)) for v, s in VARIANTS.items() if native or v != "bfloat16"}
        steps = {
            "natural": Natural(data, labels, config).step,
            "natural, peer normalisation": Natural(data, labels, config.override(PEER)).step,
        } | {variant: our.step for variant, our in ours.items()}
        with_classifier = {
            f"{v}, with the classifier": Ours(data, labels, config.override(VARIANTS[v]), neutral=True).step
            for v in ("float32", "bfloat16")
            if v in ours
        }
        steps |= {"natural, with the classifier": Natural(data, labels, config, neutral=True).step} | with_classifier
        seconds = alternate(steps, rounds, dict.fromkeys(steps, 3 if rounds > 5 else 1))
        for variant in (*ours, *with_classifier):
            _, comma, addition = variant.partition(", ")
            natural = seconds.get(f"natural{comma}{addition}", seconds["natural"])
            ratio, floor = natural / seconds[variant], floors.get(variant)
            measured = f"{ratio:.2f}× ({1e3 * seconds[variant]:.0f} ms against {1e3 * natural:.0f} ms)"
            holds = None if floor is None else ratio >= floor
            rows.append(Row(f"training step, {name}, {variant}", measured, holds, f"{floor}×" if floor else "–"))
    rows.append(nearly_saturated())
    notes = [
        "the second number: a step in plain PyTorch (tests/bench/natural.py), in float32; both draw the labels within the step",
        "with the classifier: both also pass the neutral images and train a linear classifier on them in each step; ffnet "
        "itself fits it after the training, and the other rows do not have it",
        "peer normalisation: train.peer = 0.03 and train.relu_gradient = full, in both",
        "float32: the default, with Fourier transforms where they are faster; the result is exact up to rounding",
        "an epoch on a GPU has not been measured; the goals on one H100 are 2.5 s for paper-mnist and 1.5 s for six layers of 128 "
        "on CIFAR10",
        "at the start of a training with the paper's loss the sigmoid of every negative is saturated: its gradient is 0, "
        "and it is left out of the weight gradient; in the rows *no sample saturated* a temperature of 10⁶ prevents this",
    ]
    if not write("Time of a training step", rows, notes + [missing] * bool(missing), RESULTS, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
