"""What a wave and a chain in one label are worth, as CIFAR10 has it in ``ffnet study ablation``: three seeds.

``FFNET_DATA=DIR python tests/bench/wave_and_chain.py``: class k carries the mean of the imprints that it has with the
recipe's waves and with the selected chains. Beside it stand the waves alone. Validation accuracy; no test image is read.
"""

from statistics import mean

import msgspec

from fflabels import Labeler, LabelSet, Recipe
from fflabels.labelers.fourier import Fourier, FourierRecipe
from fflabels.labelers.morph import Morph, MorphRecipe
from ffnet.ablation import load_ablation
from ffnet.comparison import spread
from ffnet.tables import Gap, told
from ffnet.training import label_set
from ffnet.trials import data_of, train_and_read


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


if __name__ == "__main__":
    jobs = load_ablation().jobs("cpu", only=["cifar10"])
    figures = {"waves": [], "a wave and a chain": []}
    for seed in range(3):
        unchanged = {
            job.labels.name: job for job in jobs if (job.recipe.name, job.change, job.seed) == ("ours", None, seed)
        }
        job = unchanged["Fourier"]
        data = data_of(job.config.data)
        waves, chains = (label_set(unchanged[kind].config, data) for kind in ("Fourier", "morphology"))
        both = [BothRecipe(*pair) for pair in zip(waves.recipes, chains.recipes, strict=True)]
        for name, labels in zip(figures, (waves, LabelSet(both, Both())), strict=True):
            sizes = {"readout": job.data.readout, "validation": job.data.validation}
            found = train_and_read(job.config, data, labels, {}, **sizes)
            figures[name].append(found)
            print(seed, name, found.goodness, found.linear, found.train_seconds, msgspec.to_builtins(found.layers))
    for reading in ("goodness", "linear"):
        waves, both = ([found.read(reading) for found in nets] for nets in figures.values())
        gap = told(Gap.of([b - w for b, w in zip(both, waves, strict=True)]))
        print(
            f"{reading}: waves {spread(waves)}, a wave and a chain {spread(both)} [{gap}] mean {100 * mean(both):.1f}"
        )
