"""``make bench``: label codes against pairs and against back-propagation of the same net, and inference in one pass.

Random images of CIFAR's shape; the nets, batches and types of best-cifar10 and best-cifar100. One thread, variants in
turn.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from harness import Row, alternate, write  # noqa: E402

import ffnet  # noqa: E402
from ffnet.data.dataset import Data, Split  # noqa: E402
from ffnet.fitting import fit_linear  # noqa: E402
from ffnet.inference.passes import linear_scores  # noqa: E402
from ffnet.model.compute_type import with_dtype  # noqa: E402
from ffnet.runs.folder import build  # noqa: E402
from ffnet.training.draws import Draws  # noqa: E402
from ffnet.training.loop import make_learner  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-codes.md"
SHAPE, COUNT, ROUNDS, READ = (3, 32, 32), 640, 15, 256
FIXED = ["labels.goodness.learn=false"]
# data set, classes, floor of the step against the pair step
SETS = [("cifar10", 10, 0.7), ("cifar100", 100, 0.8)]
BP_GOAL, INFERENCE_FLOOR = 0.8, 1.2


def random_data(classes):
    """Return random images of CIFAR's shape, each class equally often."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, *SHAPE), generator=generator, dtype=torch.uint8)
    split = Split(images, torch.arange(COUNT) % classes)
    return Data("random", split, split[:0], split[:0], tuple(map(str, range(classes))))


def config_of(preset, *settings):
    """Return the settings of a preset without those that need validation images, in the type for this processor."""
    config = ffnet.load_preset(preset).config.override(["inference.layers=sum", "labels.candidates=200", *settings])
    return with_dtype(config, torch.device("cpu"), SHAPE)


class Training:
    """A training step at a time."""

    def __init__(self, config, data):
        labels = None if config.algorithm != "ff" else ffnet.label_set(config, data)
        self.net, self.data = build(config, data.shape, labels, data.classes), data
        self.learner = make_learner(self.net, len(data.train))
        self.draws, self.k = Draws(config, data.train.classes, data.classes, 0), 0

    def step(self):
        """Train on the next batch."""
        self.learner.step(self.data.train, self.draws, self.k % len(self.draws))
        self.k += 1


def main():
    """Run everything; exit 1 when a floor is missed."""
    torch.set_num_threads(1)
    rows = []
    for name, classes, floor in SETS:
        data = random_data(classes)
        best = f"best-{name}"
        trainings = {
            "learned": Training(config_of(best), data),
            "fixed": Training(config_of(best, "labels.goodness.set=code", *FIXED), data),
            "pairs": Training(config_of(f"pairs-{best}", "labels.assign=order"), data),
            "bp": Training(config_of(best, "algorithm=bp"), data),
            "local": Training(config_of(best, "algorithm=local"), data),
        }
        seconds = alternate({kind: training.step for kind, training in trainings.items()}, ROUNDS)
        for kind in ("learned", "fixed"):
            for other, limit, goal in (("pairs", floor, None), ("bp", None, BP_GOAL), ("local", None, None)):
                ratio = seconds[kind] / seconds[other]
                measured = f"{ratio:.2f} ({1e3 * seconds[kind]:.0f} ms against {1e3 * seconds[other]:.0f} ms)"
                rows.append(
                    Row(f"step of {best}, {kind} codes, against {other}", measured,
                        None if limit is None else ratio <= limit, f"{limit}" if limit else "–", f"{goal}" if goal else "–")
                )  # fmt: skip
        net = trainings["learned"].net.eval()
        net.linear = fit_linear(net, data.train[:128])
        images = data.train.images[:READ]
        seconds = alternate(
            {"goodness": lambda net=net, images=images: ffnet.goodness_scores(net, images),
             "linear": lambda net=net, images=images: linear_scores(net, images)},
            ROUNDS,
        )  # fmt: skip
        ratio = seconds["goodness"] / seconds["linear"]
        measured = f"{ratio:.2f} ({1e3 * seconds['goodness']:.0f} ms against {1e3 * seconds['linear']:.0f} ms)"
        rows.append(
            Row(f"goodness of {READ} images, {classes} classes, against linear inference", measured,
                ratio <= INFERENCE_FLOOR, f"{INFERENCE_FLOOR}")
        )  # fmt: skip
    notes = [
        "pairs: the same net with labels in the image and in later layers, and one wrong label per image",
        "bp: the same net by back-propagation; local: a linear classifier at each layer (Nøkland and Eidnes 2019)",
        "median of 15 rounds, in which the variants take turns; memory is on another page",
    ]
    if not write("Label codes: steps and inference", rows, notes, RESULTS, "python tests/bench/codes.py"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
