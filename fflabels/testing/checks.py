"""The checks: each holds one promise of the contract against a labeler."""

from __future__ import annotations

import json
import random
import re
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from fflabels.arrays import Array, Shape
from fflabels.candidates import propose
from fflabels.codes import references_for
from fflabels.effect import effect
from fflabels.errors import FFLabelsError, LabelerFaultError, LabelsChangedWarning, TooFewCandidatesError
from fflabels.guard import draw, made
from fflabels.labeler import API_VERSION, PATTERNS, Labeler, Params, nearest_shape
from fflabels.labelset import LabelSet
from fflabels.recipe import Recipe, canonical_json
from fflabels.testing import spawned
from fflabels.testing.access import no_access
from fflabels.testing.kit import CheckFailedError, CheckSkippedError, check
from fflabels.testing.spawned import samples

Images = npt.NDArray[Any]

SHAPE: Shape = (1, 32, 32)
SHAPES: tuple[Shape, ...] = ((1, 8, 8), (1, 28, 28), (2, 16, 24), (3, 32, 32), (3, 64, 96))

FITTING: dict[str, tuple[Shape, Shape]] = {
    "picture": ((1, 28, 28), (3, 32, 32)),
    "channels": ((1, 28, 28), (1, 32, 32)),
    "code": (SHAPE, SHAPE),
}
"""A recipe that is proposed for the first shape is drawn at the second, by what labels are patterns over."""

LABEL_CHANNELS = 4
"""Patterns over channels are tried with so many times the channels."""

CLASSES = 10
"""A labeler that cannot label ten classes is of no use with any of the usual data sets."""

FEW = 4
"""Labels that are asked of built-in sets."""

CLOSE = 1e-5
"""How far the same label may differ, drawn alone or in a batch, by one library or another, in [0, 1]."""

PACE = 0.05
"""Seconds per candidate on 64 images of 1×32×32; 2000 candidates then take 100."""


RESERVED = ("candidates", "intensity", "labeler", "metric", "n", "name", "references", "seed", "shape")
"""Words by which commands and functions that take a labeler mean something else."""

STANDARD = "use functions of the array API standard alone, over fflabels.arrays.array_namespace(images)"
"""How to draw on arrays of any library."""


@check(since=2)
def draws(labeler: Labeler[Any]) -> None:
    """A label is proposed, and drawn on images of its shape and type."""
    shape = shape_of(labeler)
    hint = "" if labeler.channels else "; does it draw on some images only? say channels = …, min_side = …"
    try:
        recipe = draw(labeler, np.random.default_rng(0), shape)
        imprint = labeler.imprint(images(shape), recipe)
    except FFLabelsError as error:
        own = isinstance(error, LabelerFaultError)
        raise CheckFailedError(f"on images of {_times(shape)}: {error}{'' if own else hint}") from None
    except Exception as error:
        of_shape = isinstance(error, (IndexError, ValueError))
        raise CheckFailedError(f"on images of {_times(shape)}: {_raised(error)}{hint if of_shape else ''}") from None
    _expect_alike(imprint, images(shape), "imprint", precise=False)


@check(since=2)
def parameter_names(labeler: Labeler[Any]) -> None:
    """No parameter has the name of an argument that commands and functions take for themselves."""
    taken = [field.name for field in msgspec.structs.fields(labeler.params_type) if field.name in RESERVED]
    _expect(not taken, "params_type", ", ".join(taken), f"other names than {', '.join(RESERVED)}")


@check(since=2)
def golden(labeler: Labeler[Any], path: Path | None = None) -> None:
    """The labels of a golden file, a label set from an earlier version, are drawn as they were when it was written."""
    if path is None:
        raise CheckSkippedError("no golden file is given")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckFailedError(f"{path}: cannot be read: {error.strerror or error}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelsChangedWarning)
        labels = LabelSet.from_json(data, str(path), changed="refuse", labeler=type(labeler))
    if b'"imprints": null' in data or b'"imprints"' not in data:
        raise CheckFailedError(f"{path}: holds no imprints; write it again with fflabels select --out {path}")
    _expect(labels.labeler == labeler, f"parameters in {path}", repr(labels.labeler), repr(labeler))


@check(since=1)
def contract(labeler: Labeler[Any]) -> None:
    """Name, version, parameters, recipe type and built-in sets are what the contract says."""
    kind = type(labeler)
    _expect(
        bool(re.fullmatch(r"[a-z][a-z0-9_-]*", labeler.name)), "name", labeler.name,
        "a lower case letter, then lower case letters, digits, - and _",
    )  # fmt: skip
    _expect(labeler.api_version == API_VERSION, "api_version", labeler.api_version, f"{API_VERSION}")
    _expect(labeler.pattern in PATTERNS, "pattern", labeler.pattern, " or ".join(PATTERNS))
    if labeler.pattern == "code":
        _expect(labeler.image_independent is True, "image_independent", False, "True: codes do not depend on the image")
    for flag in ("image_independent", "overwrites", "numpy_only"):
        _expect(isinstance(getattr(labeler, flag), bool), flag, getattr(labeler, flag), "True or False")
    floor = labeler.default_visibility
    _expect(isinstance(floor, int | float) and floor >= 0, "default_visibility", floor, "a number ≥ 0")
    for tag, value in (("channels", labeler.channels or 1), ("min_side", labeler.min_side)):
        _expect(isinstance(value, int) and value >= 1, tag, value, "a whole number ≥ 1")
    words = not isinstance(labeler.aliases, str) and all(isinstance(alias, str) for alias in labeler.aliases)
    _expect(words, "aliases", labeler.aliases, "a tuple of former names")
    _expect(_frozen(labeler.recipe_type, Recipe), "recipe_type", labeler.recipe_type, "a frozen subclass of Recipe")
    _expect(_frozen(labeler.params_type, Params), "params_type", labeler.params_type, "a frozen subclass of Params")
    needed = [field.name for field in msgspec.structs.fields(labeler.params_type) if field.required]
    _expect(not needed, "params_type", f"{', '.join(needed)} without a default", "a default for every field")
    _expect(isinstance(labeler.params, labeler.params_type), "params", labeler.params, labeler.params_type.__name__)
    try:
        fresh(labeler)
    except FFLabelsError as error:
        _expect(False, "the defaults of params_type", str(error), "values of the declared types")
    for name, recipes in kind.named_sets.items():
        fixed = () if callable(recipes) else recipes
        _expect(all(isinstance(r, labeler.recipe_type) for r in fixed), f"named set {name}", recipes, "recipes")


@check(since=3)
def sets_on_demand(labeler: Labeler[Any]) -> None:
    """A built-in set that is a function makes as many labels as are asked for, or says which number it cannot make."""
    shape = shape_of(labeler)
    for name, recipes in labeler.named_sets.items():
        if not callable(recipes):
            continue
        try:
            for recipe in made(labeler, name, FEW, shape, 0):
                labeler.imprint(images(shape), recipe)
        except LabelerFaultError as error:
            raise CheckFailedError(str(error)) from None
        except FFLabelsError:  # refuses this number or shape
            continue


@check(since=1)
def no_outside_access(labeler: Labeler[Any]) -> None:
    """No file is written, no network, no other process is used; after the first label no file is read either."""
    x, new = images(shape_of(labeler)), fresh(labeler)
    for reading, count in ((True, 2), (False, 4)):
        with no_access(reading=reading) as attempts:
            for j in range(count):
                with suppress(Exception):  # what it tried is what counts, even where it hides the refusal
                    new.imprint(x, draw(new, np.random.default_rng([3, j]), shape_of(labeler)))
        _expect(not attempts, "access", ", ".join(dict.fromkeys(attempts)), "none")


@check(since=1)
def recipe_round_trip(labeler: Labeler[Any]) -> None:
    """A recipe goes through its JSON unchanged, can be hashed, and cannot be changed."""
    for recipe in samples(labeler, shape_of(labeler), 16):
        try:
            text = recipe.to_json()
        except ValueError as error:
            raise CheckFailedError(f"{recipe!r} has no JSON: {error}") from None
        back = msgspec.convert(json.loads(text), labeler.recipe_type)
        _expect(back == recipe, "from its JSON", back, repr(recipe))
        _expect(back.to_json() == text, "JSON, written again", back.to_json().decode(), text.decode())
        _expect(hash(back) == hash(recipe), "hash", hash(back), f"that of an equal recipe, {hash(recipe)}")


@check(since=1)
def parameters(labeler: Labeler[Any]) -> None:
    """Parameters go through a label-set file unchanged; an unknown or ill-typed one is refused by its name."""
    try:
        hash(labeler)
    except TypeError as error:
        _expect(
            False, f"parameters that can be hashed ({error})", labeler, "numbers, texts and tuples, no lists or dicts"
        )
    filed = json.loads(canonical_json(msgspec.to_builtins(labeler.params)))
    again = type(labeler)(**filed)
    _expect(again == labeler and hash(again) == hash(labeler), "made from its own parameters", again, repr(labeler))
    for name in ("no_such_parameter", *(field.name for field in msgspec.structs.fields(labeler.params_type))):
        try:
            made = type(labeler)(**{name: object()})
        except FFLabelsError as error:
            _expect(name in str(error), f"error of a bad {name}", str(error), f"one that names {name}")
        else:
            raise CheckFailedError(f"takes {name}=<object>; got {made!r}; expected an FFLabelsError that names {name}")


@check(since=1)
def determinism(labeler: Labeler[Any]) -> None:
    """The generator alone decides which recipe is proposed; recipe and images alone decide what is drawn."""
    x = images(shape_of(labeler))
    for j in range(8):
        with _global_seed(j):
            one = draw(labeler, np.random.default_rng(j), shape_of(labeler))
            written = one.to_json()
            first = _drawn(labeler, x, one)
            _expect(one.to_json() == written, "the recipe after imprint", repr(one), f"as it was, {written.decode()}")
        with _global_seed(1000 + j):
            two = draw(fresh(labeler), np.random.default_rng(j), shape_of(labeler))
            second = _drawn(fresh(labeler), x, one)
        _expect(one == two, f"recipes of the generator seeded with {j}", f"{one!r}, {two!r}", "one and the same")
        _expect(_equal(first, second), f"{one!r}, drawn twice", _apart(first, second), "equal pixels")


@check(since=1)
def distinctness(labeler: Labeler[Any]) -> str:
    """Ten classes get ten labels that differ and are visible on photographs."""
    complete = labeler.complete(CLASSES, shape_of(labeler))
    if complete is not None:
        _expect(len(set(complete)) == CLASSES, "complete(10)", f"{len(set(complete))} recipes", f"{CLASSES}")
        return f"all {CLASSES} that there are"
    try:
        pool = propose(labeler, CLASSES, shape=shape_of(labeler))
    except TooFewCandidatesError as error:
        raise CheckFailedError(str(error)) from None
    return f"{CLASSES} of {pool.drawn} draws"


@check(since=1)
def shapes(labeler: Labeler[Any]) -> None:
    """Images of 1×8×8 to 3×64×96 are drawn on, one or many; a recipe fits larger images with more channels too.

    Those of patterns over channels fit larger images of as many channels, and codes fit their own number of channels.
    """
    for shape in dict.fromkeys(shape_of(labeler, each) for each in SHAPES):
        for recipe in samples(labeler, shape, 4):
            for count in (1, 3):
                x = images(shape, count)
                _expect_alike(labeler.imprint(x, recipe), x, f"imprint on {count} images of {_times(shape)}")
    small, large = (shape_of(labeler, each) for each in FITTING[labeler.pattern])
    x = images(large)
    for recipe in samples(labeler, small, 4):
        what = f"imprint on {_times(large)} of a recipe proposed for {_times(small)}"
        _expect_alike(labeler.imprint(x, recipe), x, what)


@check(since=1)
def pixel_range(labeler: Labeler[Any]) -> None:
    """Imprints are finite and in [0, 1], on flat images too."""
    flat = np.stack([np.full(shape_of(labeler), v, np.float32) for v in (0.0, 0.5, 1.0)])
    for x, which in ((images(shape_of(labeler)), "random images"), (flat, "black, grey and white images")):
        for recipe in samples(labeler, shape_of(labeler), 16):
            imprint = _drawn(labeler, x, recipe)
            _expect(bool(np.isfinite(imprint).all()), f"imprint of {recipe!r} on {which}", "NaN or infinity", "numbers")
            low, high = float(imprint.min()), float(imprint.max())
            within = low >= -CLOSE and high <= 1 + CLOSE
            _expect(within, f"imprint of {recipe!r} on {which}", f"values from {low:g} to {high:g}", "0 to 1")


@check(since=1)
def precision(labeler: Labeler[Any]) -> None:
    """Imprints have the type of the images, float32 or float64, and agree."""
    for recipe in samples(labeler, shape_of(labeler), 8):
        single = labeler.imprint(images(shape_of(labeler)), recipe)
        double = labeler.imprint(images(shape_of(labeler)).astype(np.float64), recipe)
        for imprint, expected in ((single, "float32"), (double, "float64")):
            _expect(str(imprint.dtype) == expected, f"imprint on {expected} images", imprint.dtype, expected)
        _expect_close(double, single, f"{recipe!r} on float64 images", "as on float32 images", 1e-3)


@check(since=1)
def no_mutation(labeler: Labeler[Any]) -> None:
    """Images are never changed in place."""
    x = images(shape_of(labeler))
    recipes = samples(labeler, shape_of(labeler), 8)
    index = np.arange(len(x)) % len(recipes)
    for recipe in recipes:
        labeler.imprint(x, recipe)
        _expect(
            np.array_equal(x, images(shape_of(labeler))),
            f"the images after imprint of {recipe!r}",
            "changed",
            "as they were",
        )
    labeler.imprint_each(x, recipes, index)
    _expect(np.array_equal(x, images(shape_of(labeler))), "the images after imprint_each", "changed", "as they were")
    labeler.embed(x, images(shape_of(labeler)), 0.35)
    _expect(np.array_equal(x, images(shape_of(labeler))), "the images after embed", "changed", "as they were")


@check(since=1)
def batches(labeler: Labeler[Any]) -> None:
    """A batch of mixed labels is drawn as its images are one by one."""
    x, recipes = images(shape_of(labeler), 12), samples(labeler, shape_of(labeler), 5)
    index = np.array([3, 0, 0, 4, 3, 1, 1, 4, 0, 3, 3, 1])
    alone = np.concatenate([_drawn(labeler, x[i : i + 1], recipes[k]) for i, k in enumerate(index)])
    together = np.concatenate([_drawn(labeler, x, recipe)[index == k] for k, recipe in enumerate(recipes)])
    order = np.argsort(np.argsort(index, kind="stable"))
    _expect_close(together[order], alone, "imprint on many images", "as on each alone")
    imprints = labeler.imprint_each(x, recipes, index)
    _expect_alike(imprints, x, "imprint_each")
    _expect_close(np.asarray(imprints), alone, "imprint_each", "as one by one")
    if labeler.image_independent:
        patterns = labeler.patterns(recipes, shape_of(labeler))
        single = np.stack([_drawn(labeler, x[:1], recipe)[0] for recipe in recipes])
        _expect_close(np.asarray(patterns), single, "patterns", "as imprint draws")


@check(since=1)
def torch_tensors(labeler: Labeler[Any]) -> None:
    """PyTorch tensors are drawn on as NumPy arrays are, where PyTorch is installed."""
    if find_spec("torch") is None:
        raise CheckSkippedError("PyTorch is not installed")
    torch: Any = import_module("torch")
    x, recipes = images(shape_of(labeler), 6), samples(labeler, shape_of(labeler), 6)
    tensor = torch.from_numpy(x.copy())
    for recipe in recipes:
        try:
            imprint = labeler.imprint(tensor, recipe)
        except (TypeError, AttributeError, ValueError, RuntimeError) as error:
            hint = f"{_array_hint(error)}; if your library takes NumPy arrays only, say numpy_only = True"
            raise CheckFailedError(f"a tensor is refused: {type(error).__name__}: {error} ({hint})") from None
        _expect(isinstance(imprint, torch.Tensor), "imprint on a tensor", type(imprint).__name__, "a tensor")
        _expect_alike(imprint, tensor, "imprint on a tensor")
        _expect_close(imprint.numpy(), _drawn(labeler, x, recipe), f"{recipe!r} on a tensor", "as on an array")
    index = np.array([5, 1, 1, 0, 2, 5])
    imprints = labeler.imprint_each(tensor, recipes, torch.from_numpy(index))
    _expect_close(
        imprints.numpy(), np.asarray(labeler.imprint_each(x, recipes, index)), "imprint_each", "as on an array"
    )


@check(since=1)
def global_random_state(labeler: Labeler[Any]) -> None:
    """The random state of NumPy, Python and PyTorch is left alone."""
    with _global_seed(271828):  # a state that no labeler would set by chance
        before = _global_states()
        for recipe in samples(labeler, shape_of(labeler), 8):
            labeler.imprint(images(shape_of(labeler)), recipe)
        for name, state in _global_states().items():
            _expect(state == before[name], f"the global state of {name}", "changed", "draws from rng alone")


@check(since=1)
def threads(labeler: Labeler[Any]) -> None:
    """Four threads that draw at once get what one gets."""
    x, recipes = images(shape_of(labeler)), samples(labeler, shape_of(labeler), 4)
    alone = [_drawn(labeler, x, recipe).copy() for recipe in recipes]
    barrier = threading.Barrier(len(recipes))

    def work(k: int) -> list[Images]:
        barrier.wait()
        return [np.array(labeler.imprint(x, recipes[k])) for _ in range(8)]

    with ThreadPoolExecutor(len(recipes)) as pool:
        for k, imprints in enumerate(pool.map(work, range(len(recipes)))):
            same = all(_equal(f, alone[k]) for f in imprints)
            _expect(same, f"{recipes[k]!r}, drawn beside other threads", "other pixels", "as drawn alone")


@check(since=1)
def spawned_processes(labeler: Labeler[Any]) -> None:
    """A labeler that is pickled into a new process, with another hash seed, proposes and draws the same."""
    if type(labeler).__module__ == "__main__":
        raise CheckSkippedError("the class is in __main__, where no other process finds it: put it into a module")
    x = images(shape_of(labeler))
    recipes, imprints = spawned.run(labeler, x, count=4, seconds=120)
    here = samples(labeler, shape_of(labeler), 4)
    _expect(recipes == here, "recipes proposed in a new process", recipes, repr(here))
    for recipe, imprint in zip(here, imprints, strict=True):
        expected = _drawn(labeler, x, recipe)
        same = _equal(imprint, expected)
        _expect(same, f"{recipe!r} in a new process", _apart(imprint, expected), "equal pixels")


@check(since=1)
def image_independence(labeler: Labeler[Any]) -> None:
    """`image_independent` says whether the imprint is the same for every image."""
    x = images(shape_of(labeler))
    same = [
        bool(np.ptp(_drawn(labeler, x, recipe), axis=0).max() <= CLOSE)
        for recipe in samples(labeler, shape_of(labeler), 8)
    ]
    if labeler.image_independent:
        _expect(all(same), "image_independent = True", "imprints that differ from image to image", "one for all images")
    else:
        hint = "imprints that differ; with image_independent = True each label is drawn once, not once per image"
        _expect(not all(same), "image_independent = False", "the same imprint for every image", hint)


@check(since=1)
def intensity(labeler: Labeler[Any]) -> None:
    """Intensity 0 leaves the image alone and 1 replaces it; a labeler that overwrites ignores the intensity."""
    x = images(shape_of(labeler))
    for recipe in samples(labeler, shape_of(labeler), 4):
        imprint = _drawn(labeler, x, recipe)
        for k in (0.0, 1.0):
            expected = imprint if labeler.overwrites or k == 1 else x
            embedded = np.asarray(labeler.embed(x, imprint, k))
            _expect(
                np.array_equal(embedded, expected), f"embed at K = {k:g}", _apart(embedded, expected), "equal pixels"
            )


@check(since=1)
def pace(labeler: Labeler[Any]) -> str:
    """2000 candidates are proposed and drawn on 64 images of 1×32×32 within 100 seconds."""
    references = references_for(labeler, None, shape_of(labeler))
    taken = []
    for j in range(12):
        begin = time.perf_counter()
        effect(labeler, draw(labeler, np.random.default_rng([7, j]), shape_of(labeler)), references)
        taken.append(time.perf_counter() - begin)
    typical = sorted(taken)[len(taken) // 4]  # the machine's other work slows some of them
    _expect(typical <= PACE, "a candidate", f"{1000 * typical:.1f} ms", f"at most {1000 * PACE:.0f} ms")
    return f"{1000 * typical:.1f} ms per candidate"


def shape_of(labeler: Labeler[Any], shape: Shape = SHAPE) -> Shape:
    """Return the shape nearest to `shape` that the labeler says it draws on; of label channels there are several."""
    c, h, w = shape
    return nearest_shape(labeler, (LABEL_CHANNELS * c, h, w) if labeler.pattern == "channels" else shape)


def images(shape: Shape, count: int = 4) -> Images:
    """Return (count, C, H, W) float32 images that are the same at every call, and writeable."""
    return np.random.default_rng(5).random((count, *shape), dtype=np.float32)


def fresh(labeler: Labeler[Any]) -> Labeler[Any]:
    """Return another labeler with the same parameters."""
    return type(labeler)(**msgspec.structs.asdict(labeler.params))


def _raised(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"


def _array_hint(error: Exception) -> str:
    """Return how to draw on tensors; names the function of NumPy that the standard does not have, if it was one."""
    name = getattr(error, "name", None) or ""
    missing = isinstance(error, AttributeError) and (hasattr(np, name) or hasattr(np.ndarray, name))
    if missing and not isinstance(getattr(error, "obj", None), ModuleType):
        return f"{STANDARD}, whose arrays have no method {name}; perhaps it has a function, xp.{name}(…)"
    return f"{STANDARD}, which has no {name}" if missing else STANDARD


def _drawn(labeler: Labeler[Any], x: Images, recipe: Recipe) -> Images:
    imprint = np.asarray(labeler.imprint(x, recipe))
    _expect_alike(imprint, x, f"imprint of {recipe!r}", precise=False)
    return imprint


def _expect(holds: bool, where: str, got: object, expected: str) -> None:
    if not holds:
        raise CheckFailedError(str(FFLabelsError("does not hold", where=where, got=got, expected=expected)))


def _expect_alike(imprint: Array, x: Array, where: str, *, precise: bool = True) -> None:
    """Fail unless an imprint has the images' shape and, if `precise`, their type."""
    shape, dtype = tuple(getattr(imprint, "shape", ())), getattr(imprint, "dtype", type(imprint).__name__)
    same = shape == tuple(x.shape) and (not precise or dtype == x.dtype)
    _expect(same, where, f"{dtype} {shape}", f"{x.dtype} {tuple(x.shape)}")


def _expect_close(drawn: Images, expected: Images, where: str, how: str, tolerance: float = CLOSE) -> None:
    alike = drawn.shape == expected.shape and np.allclose(drawn, expected, rtol=0, atol=tolerance, equal_nan=True)
    _expect(bool(alike), where, _apart(drawn, expected), how)


def _equal(one: Images, other: Images) -> bool:
    """Return whether two drawings are equal pixel by pixel, NaN included: that is the fault of another check."""
    return np.array_equal(one, other, equal_nan=True)


def _apart(drawn: Images, expected: Images) -> str:
    if drawn.shape != expected.shape:
        return f"shape {drawn.shape} and {expected.shape}"
    return f"pixels that differ by up to {np.abs(drawn - expected).max():.2g}"


def _frozen(kind: object, base: type[msgspec.Struct]) -> bool:
    return isinstance(kind, type) and issubclass(kind, base) and bool(kind.__struct_config__.frozen)


def _times(shape: Shape) -> str:
    return "×".join(map(str, shape))


def _global_states() -> dict[str, object]:
    states: dict[str, object] = {"random": random.getstate(), "numpy.random": repr(np.random.get_state())}  # noqa: NPY002
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.get_rng_state().numpy().tobytes()
    return states


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    """Seed NumPy's and Python's global states, and put them back."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
