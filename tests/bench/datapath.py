"""``make bench``: images with their labels per second, drawn in batch, against Dataset and DataLoader.

The plain data set draws each sample's label as one writes it down: a wave with NumPy, a chain of morphological and
other operators with scikit-image and scipy.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import sys  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import plain  # noqa: E402
import torch  # noqa: E402
from harness import Row, alternate, write  # noqa: E402
from torch.utils.data import DataLoader, Dataset, TensorDataset  # noqa: E402

from fflabels import design, get_labeler, named_set  # noqa: E402
from ffnet.data.images import to_unit  # noqa: E402
from ffnet.labels.embed import Embedder  # noqa: E402
from ffnet.labels.torch_dataset import CollatePairs, LabelledPairs  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-datapath.md"
SHAPE, COUNT, INTENSITY = (1, 28, 28), 2048, 0.35
BATCH, SMALL_BATCH = 256, 100
"""Positives and negatives of steps of 128 images, and of the 50 of the paper's MNIST net."""


class Plain(Dataset):
    """Each image with its label, drawn when it is asked for."""

    def __init__(self, images, classes, recipes):
        self.images, self.classes, self.recipes = images, classes, recipes

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, label = self.images[index].float() / 255, int(self.classes[index])
        recipe = self.recipes[label]
        imprint = wave(recipe, *SHAPE[1:]) if hasattr(recipe, "waves") else chain(recipe, image[0].numpy())
        imprint = torch.from_numpy(np.ascontiguousarray(imprint, np.float32))
        return (1 - INTENSITY) * image + INTENSITY * imprint, label


def wave(recipe, height, width):
    """Return a Fourier label: the min-max of a sum of cosines."""
    y, x = np.arange(height)[:, None] / height, np.arange(width)[None, :] / width
    total = sum(np.cos(2 * np.pi * (w.fy * y + w.fx * x) + w.phase) for w in recipe.waves)
    return (total - total.min()) / (total.max() - total.min())


def chain(recipe, image):
    """Return a morphology label: operators one after the other."""
    for operator in recipe.chain:
        image = plain.apply(operator, image)
    return image


class ItemByItem(Dataset):
    """Each image with its own label and with a wrong one, embedded when it is asked for, as one writes it down."""

    def __init__(self, images, classes, labels):
        self.images, self.classes, self.labels = images, classes, labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image, label = self.images[index], int(self.classes[index])
        wrong = (label + int(torch.randint(1, 10, ()))) % 10
        both = [self.labels.embed(image[None], torch.tensor([k]), INTENSITY)[0] for k in (label, wrong)]
        return *both, label


def drawn(embedder, images, classes, order, *, batch=BATCH):
    """Draw an epoch's labels, batch by batch."""
    for index in torch.split(order, batch):
        labels = classes[index]
        embedder.embed(to_unit(images[index]), labels)


def main():
    """Run everything; exit 1 when a floor is missed."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (COUNT, *SHAPE), generator=generator, dtype=torch.uint8)
    classes = torch.randint(0, 10, (COUNT,), generator=generator)
    order = torch.randperm(COUNT, generator=generator)
    grey = get_labeler("morph", families=("morphology",))
    sets = {
        "Fourier": named_set("fourier:paper10"),
        "morphology": design(grey, 10, shape=SHAPE),
        "all operators": design("morph", 10, shape=SHAPE),
    }
    variants = {}
    for kind, labels in sets.items():
        embedder = Embedder(labels, SHAPE, INTENSITY)
        loader = DataLoader(Plain(images, classes, labels.recipes), BATCH, shuffle=True)
        variants[f"plain {kind}"] = partial(list, loader)
        variants[kind] = partial(drawn, embedder, images, classes, order)
        variants[f"small {kind}"] = partial(drawn, embedder, images, classes, order, batch=SMALL_BATCH)
    floats = images / 255
    for kind in ("Fourier", "morphology"):
        labels = sets[kind]
        own, given = ItemByItem(floats, classes, labels), TensorDataset(floats, classes)
        pairs = LabelledPairs(given, labels, INTENSITY)
        variants[f"items {kind}"] = partial(list, DataLoader(own, BATCH, shuffle=True))
        variants[f"pairs {kind}"] = partial(list, DataLoader(pairs, BATCH, shuffle=True))
        collate = CollatePairs(labels, INTENSITY)
        variants[f"collate {kind}"] = partial(list, DataLoader(given, BATCH, shuffle=True, collate_fn=collate))
    seconds = alternate(variants, 7)
    rows = []
    for what, fast, kind, floor in (
        ("Fourier, drawn in batch", "Fourier", "Fourier", 8),
        ("morphology, drawn in batch", "morphology", "morphology", 12),
        (f"morphology, drawn in batches of {SMALL_BATCH}", "small morphology", "morphology", None),
        ("operators of all families, drawn in batch", "all operators", "all operators", None),
    ):
        slow = seconds[f"plain {kind}"]
        measured = f"{slow / seconds[fast]:.1f}× ({COUNT / seconds[fast]:,.0f} images/s against {COUNT / slow:,.0f})"
        holds = None if floor is None else slow / seconds[fast] >= floor
        rows.append(Row(what, measured, holds, f"{floor}×" if floor else "–"))
    for kind, floors in (("Fourier", (15, 15)), ("morphology", (None, None))):
        for what, floor in zip(("pairs", "collate"), floors, strict=True):
            slow, fast = seconds[f"items {kind}"], seconds[f"{what} {kind}"]
            name = "LabelledPairs" if what == "pairs" else "CollatePairs"
            measured = f"{slow / fast:.1f}× ({COUNT / fast:,.0f} pairs/s against {COUNT / slow:,.0f})"
            holds = None if floor is None else slow / fast >= floor
            row = f"{kind} pairs of a DataLoader by {name}, against LabelSet.embed item by item"
            rows.append(Row(row, measured, holds, f"{floor}×" if floor else "–"))
    notes = [
        f"images 1×28×28 as bytes, batches of {BATCH}, ten labels; embedded at K = {INTENSITY}",
        "the second number: a plain Dataset and DataLoader, where NumPy draws a wave, or scikit-image and SciPy apply a chain of operators, for each sample",
        "morphology: only operators that scikit-image has; all families: also flips, shifts, inversions and the like, "
        "which are cheap in a plain loop",
    ]
    if not write("Drawing labels", rows, notes, RESULTS, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
