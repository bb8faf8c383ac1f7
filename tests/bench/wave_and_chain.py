"""What a wave and a chain in one label are worth, as CIFAR10 has it in the experiment ``ablation``: three seeds.

``FFNET_DATA=DIR python tests/bench/wave_and_chain.py``: class k carries the mean of the imprints that it has with the
recipe's waves and with the selected chains, at the recipe's K and at one that makes up for their mean being fainter.
Beside it stand the waves alone. Validation accuracy; no test image is read.
"""

import itertools
import time
from functools import lru_cache

from fflabels import Labeler, LabelSet, Recipe
from fflabels.labelers.fourier import Fourier, FourierRecipe
from fflabels.labelers.morph import Morph, MorphRecipe
from ffnet.data.load import load_data
from ffnet.evaluation.accuracy import evaluate
from ffnet.evaluation.statistics import Gap, spread
from ffnet.experiments.load import load_experiment
from ffnet.fitting import fit
from ffnet.model.compute_type import with_dtype
from ffnet.model.net import FFNet
from ffnet.prepare import label_set
from ffnet.report.tables import format_gap
from ffnet.system.devices import resolve_device

STRONGER = 0.5
"""The mean of a wave and a chain varies over the labels by .22 an image's pixel, a wave by .34."""


class BothRecipe(Recipe, frozen=True):
    """A wave and a chain."""

    wave: FourierRecipe
    chain: MorphRecipe


class Both(Labeler[BothRecipe]):
    """The mean of two imprints."""

    name = "wave-and-chain"
    recipe_type = BothRecipe

    def propose(self, rng, shape):
        """Return a wave and a chain."""
        return BothRecipe(Fourier().propose(rng, shape), Morph().propose(rng, shape))

    def imprint(self, images, recipe):
        """Return the mean."""
        return (Fourier().imprint(images, recipe.wave) + Morph().imprint(images, recipe.chain)) / 2


def trained(config, data, labels):
    """Return the validation accuracies of a net that is trained for it."""
    device = resolve_device(config.device)
    config = with_dtype(config, device, data.shape)
    net = FFNet(config, data.shape, labels).to(device)
    fit(net, data)
    return evaluate(net, data)


if __name__ == "__main__":
    data_of = lru_cache(load_data)
    wanted = {"data": "cifar10", "recipe": "ours", "change": "unchanged"}
    jobs = [job for job in load_experiment("ablation").jobs("cpu") if wanted.items() <= job.levels.items()]
    figures = {"waves": [], "a wave and a chain": [], f"a wave and a chain, K {STRONGER}": []}
    for seed in range(3):
        of_kind = {job.levels["labels"]: job for job in jobs if job.seed == seed}
        job = of_kind["Fourier"]
        data = data_of(job.config.data)
        waves, chains = (label_set(of_kind[kind].config, data) for kind in ("Fourier", "morphology"))
        both = LabelSet([BothRecipe(*pair) for pair in zip(waves.recipes, chains.recipes, strict=True)], Both())
        stronger = job.config.replaced({"labels.intensity": STRONGER})
        for name, config, labels in zip(figures, (job.config, job.config, stronger), (waves, both, both), strict=True):
            begin = time.process_time()
            figures[name].append(read := trained(config, data, labels))
            seconds = time.process_time() - begin
            print(seed, name, read.goodness.accuracy, read.linear.accuracy, f"{seconds:.0f} s", flush=True)
    for name, reading in itertools.product(figures, ("goodness", "linear")):
        values, base = ([getattr(read, reading).accuracy for read in figures[which]] for which in (name, "waves"))
        gap = format_gap(Gap.of([v - b for v, b in zip(values, base, strict=True)]))
        print(f"{name}, {reading}: {spread(values)} [{gap}]")
