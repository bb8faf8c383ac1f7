"""How the least d′ of a label set grows as reference images get fewer: prints the table in docs/concepts.md.

python tests/bench/few_images.py
"""

from fflabels import References, design, load_references
from fflabels.brief import Brief
from fflabels.diversity import summarize
from fflabels.metrics.dprime import compute, dprime
from fflabels.progress import silent

if __name__ == "__main__":
    labels = design("morph", 10, candidates=200, shape=(1, 32, 32))
    images = load_references(None, (1, 32, 32)).images
    for count in (64, 32, 16, 8, 4, 2):
        step = len(images) // count
        parts = [Brief(labels.labeler, References(images[k::step])) for k in range(min(4, step))]
        least = [dprime(summarize(compute(labels.recipes, part, silent)).max) for part in parts]
        print(f"{count} images: {min(least):.2f} to {max(least):.2f}", flush=True)
