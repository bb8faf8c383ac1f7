"""A sound labeler, and one a check that breaks this promise and no other."""

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from fflabels import Labeler, Params, Recipe
from fflabels.arrays import array_namespace, constant_like


class StripeRecipe(Recipe, frozen=True):
    period: float
    phase: float


class StripeParams(Params, frozen=True):
    longest: float = 16.0


class Stripes(Labeler[StripeRecipe]):
    name = "stripes"
    image_independent = True
    params_type = StripeParams
    recipe_type = StripeRecipe

    def propose(self, rng, shape):
        return StripeRecipe(rng.uniform(3, self.params.longest), rng.uniform(0, 6))

    def imprint(self, images, recipe):
        return array_namespace(images).broadcast_to(constant_like(pattern(recipe, images.shape), images), images.shape)


def pattern(recipe, shape):
    return 0.5 + 0.5 * np.sin(2 * np.pi * np.arange(shape[3]) / recipe.period + recipe.phase)


class Draws(Stripes):
    """Fails wherever it is asked: one cause."""

    def imprint(self, images, recipe):
        raise RuntimeError("no stripes today")


class SeedParams(StripeParams, frozen=True):
    seed: int = 0


class ParameterNames(Stripes):
    params_type = SeedParams


class Contract(Stripes):
    name = "Stripes, mine"


class PairRecipe(Recipe, frozen=True):
    pair: Any  # a tuple; JSON has lists only


class RecipeRoundTrip(Stripes):
    recipe_type = PairRecipe

    def propose(self, rng, shape):
        recipe = super().propose(rng, shape)
        return PairRecipe((recipe.period, recipe.phase))

    def imprint(self, images, recipe):
        return super().imprint(images, StripeRecipe(*recipe.pair))


class Parameters(Stripes):
    def __init__(self, **params):
        super().__init__(**{k: v for k, v in params.items() if k in ("longest",)})


class Determinism(Stripes):
    def propose(self, rng, shape):
        seeded_with = np.random.get_state()[1][0]
        return StripeRecipe(float(3 + seeded_with), 0.0) if seeded_with < 8 else super().propose(rng, shape)


class Distinctness(Stripes):
    def propose(self, rng, shape):
        return StripeRecipe(float(rng.integers(4, 7)), 0.0)


class Shapes(Stripes):
    def imprint(self, images, recipe):
        return super().imprint(images, recipe).reshape(-1, images.shape[1], images.shape[2], images.shape[2])


class Shade(Stripes):
    """Image-dependent: the image, through the stripes."""

    image_independent = False

    def imprint(self, images, recipe):
        return super().imprint(images, recipe) * images


class PixelRange(Shade):
    def imprint(self, images, recipe):
        xp = array_namespace(images)
        with np.errstate(invalid="ignore"):
            return super().imprint(images, recipe) / xp.max(images, axis=(1, 2, 3), keepdims=True)


class Precision(Stripes):
    def imprint(self, images, recipe):
        xp = array_namespace(images)
        return xp.astype(super().imprint(images, recipe), xp.float32)


class NoMutation(Stripes):
    def imprint(self, images, recipe):
        if isinstance(images, np.ndarray) and images.flags.writeable:
            images *= 0.5
        return super().imprint(images, recipe)


class Batches(Stripes):
    def imprint_each(self, images, recipes, index):
        return super().imprint_each(images, recipes, array_namespace(index).sort(index))


class TorchTensors(Stripes):
    def imprint(self, images, recipe):
        return super().imprint(np.asarray(images), recipe)


class GlobalRandomState(Stripes):
    def propose(self, rng, shape):
        np.random.random()
        return super().propose(rng, shape)


class Threads(Stripes):
    def imprint(self, images, recipe):
        self.recipe = recipe
        time.sleep(0.0005)
        return super().imprint(images, self.recipe)


class SpawnedProcesses(Stripes):
    def propose(self, rng, shape):
        recipe = super().propose(rng, shape)
        return StripeRecipe(recipe.period, recipe.phase + hash("stripes") % 1000)


class ImageIndependence(Stripes):
    image_independent = False


class Intensity(Stripes):
    def embed(self, images, imprints, intensity):
        return super().embed(images, imprints, 0.1 + 0.9 * intensity)


class Pace(Stripes):
    def complete(self, n, shape):
        return [StripeRecipe(3.0 + k, 0.0) for k in range(n)]

    def imprint(self, images, recipe):
        time.sleep(0.06)
        return super().imprint(images, recipe)


class NoOutsideAccess(Stripes):
    def imprint(self, images, recipe):
        Path(__file__).read_bytes()
        return super().imprint(images, recipe)


class Online(Stripes):
    """Asks the network once, and hides that it failed."""

    asked = False

    def propose(self, rng, shape):
        if not self.asked:
            self.asked = True
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", 9), timeout=0.01)
        return super().propose(rng, shape)


class Writing(Stripes):
    """Writes a file, in a thread of its own."""

    def imprint(self, images, recipe):
        def write():
            with suppress(OSError), Path("written.txt").open("w"):
                pass

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        return super().imprint(images, recipe)


class Colours(Stripes):
    """Legitimate: draws on three channels and at least 20 pixels, by a library that takes NumPy alone."""

    channels = 3
    min_side = 20
    numpy_only = True

    def imprint(self, images, recipe):
        assert type(images) is np.ndarray
        if images.shape[1] != 3 or min(images.shape[2:]) < 20:
            raise ValueError(f"cannot draw on {images.shape}")
        return np.broadcast_to(pattern(recipe, images.shape), images.shape).astype(images.dtype)


class Untagged(Colours):
    """The same labeler, but it does not say so."""

    channels = None
    min_side = 1


class SetsOnDemand(Stripes):
    named_sets = {"two": lambda n, shape, seed: [StripeRecipe(4.0, 0.0), StripeRecipe(5.0, 0.0)]}  # noqa: RUF012


FAULTY = {
    "draws": Draws,
    "parameter_names": ParameterNames,
    "contract": Contract,
    "sets_on_demand": SetsOnDemand,
    "no_outside_access": NoOutsideAccess,
    "recipe_round_trip": RecipeRoundTrip,
    "parameters": Parameters,
    "determinism": Determinism,
    "distinctness": Distinctness,
    "shapes": Shapes,
    "pixel_range": PixelRange,
    "precision": Precision,
    "no_mutation": NoMutation,
    "batches": Batches,
    "torch_tensors": TorchTensors,
    "global_random_state": GlobalRandomState,
    "threads": Threads,
    "spawned_processes": SpawnedProcesses,
    "image_independence": ImageIndependence,
    "intensity": Intensity,
    "pace": Pace,
}
