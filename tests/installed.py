"""The sources of two sound plugins, for tests that install one with the fixture `install`."""

SOUND = """
import numpy as np
from fflabels import Labeler, Recipe

class StripeRecipe(Recipe, frozen=True):
    period: int

class Stripes(Labeler):
    name = "stripes"
    image_independent = True
    recipe_type = StripeRecipe

    def propose(self, rng, shape):
        return StripeRecipe(int(rng.integers(2, 9)))

    def imprint(self, images, recipe):
        imprint = np.zeros_like(images)
        imprint[..., :: recipe.period] = 1
        return imprint
"""

TRAINABLE = """
import numpy as np
from fflabels import Labeler, Recipe
from fflabels.arrays import array_namespace, constant_like

class StripeRecipe(Recipe, frozen=True):
    period: float

class Stripes(Labeler):
    name = "stripes"
    image_independent = True
    recipe_type = StripeRecipe

    def propose(self, rng, shape):
        return StripeRecipe(rng.uniform(2, 30))

    def imprint(self, images, recipe):
        stripes = 0.5 + 0.5 * np.sin(np.arange(images.shape[-1]) * 6 / recipe.period)
        return array_namespace(images).broadcast_to(constant_like(stripes, images), images.shape)
"""

SHORT = (
    "--epochs", "1", "--set=labels.candidates=16", "--set=data.limit=100", "--set=inference.linear_epochs=1",
    "--set=net.widths=[4,4,4]",
)  # fmt: skip
"""Options of a training that is over at once."""
