"""Kinds side by side: each figure is what selection and chance give, by their own functions."""

import numpy as np
import pytest

from fflabels import FFLabelsError, Labeler, Params, compare, design, get_labeler, propose, select, similarity
from fflabels.comparison import _params
from fflabels.diversity import summarize
from fflabels.labeler import convert_params
from fflabels.metrics import METRICS

SMALL = {"candidates": 40, "shape": (1, 16, 16), "references": "digits"}


@pytest.mark.slow
def test_a_figure_is_what_selection_by_its_metric_reaches():
    found = compare(["morph"], (3, 7), seed=2, **SMALL)
    assert [(r.metric, r.n) for r in found] == [
        ("pearson", 3),
        ("pearson", 7),
        ("shift", 3),
        ("shift", 7),
        ("dprime", 3),
        ("dprime", 7),
    ]
    pool = propose(get_labeler("morph"), 40, shape=(1, 16, 16), seed=2, references="digits")
    for reach in found:
        matrix = similarity(pool, get_labeler("morph"), shape=(1, 16, 16), metric=reach.metric, references="digits")
        assert reach.selected == select(matrix, reach.n, seed=2).score
        draws = [np.random.default_rng([2, k]).choice(40, reach.n, replace=False) for k in range(5)]
        assert reach.random == pytest.approx(np.mean([summarize(matrix[np.ix_(d, d)]).max for d in draws]), abs=1e-6)
        assert reach.candidates == 40
        made = design("morph", reach.n, metric=reach.metric, seed=2, **SMALL)
        kept = METRICS[reach.metric].rounded(reach.selected)
        assert made.scores.similarity[reach.metric].max == pytest.approx(kept, abs=2e-6)


def test_kinds_with_parameters_stand_in_the_order_given():
    found = compare([get_labeler("fourier", waves=2, frequencies="continuous"), "fourier"], (2,), **SMALL)
    assert [(r.kind, r.params) for r in found[::3]] == [
        ("fourier", "waves=2 frequencies=continuous"), ("fourier", "")
    ]  # fmt: skip


def test_a_kind_without_a_choice_has_no_pool_and_one_that_runs_dry_says_so():
    kinds = ["onehot", get_labeler("morph", families=("intensity",), max_length=1)]
    one, many, few, _ = compare(kinds, (30, 300), metrics=("pearson",), **SMALL)
    assert (one.candidates, one.random) == (None, None)
    assert 0 < one.selected < 1
    assert few.candidates < 30
    assert few.selected is few.random is None
    assert few.reason == f"has no more than {few.candidates} distinct, visible labels"
    assert many.selected is None
    assert many.reason.startswith("onehot: more classes than pixels; got 300 classes")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], (3,)), "labelers: nothing to compare"),
        ((["morph"], ()), "counts: nothing to compare"),
        ((["morph"], (0,)), "counts: too few; got 0; expected at least 1"),
        ((["morf"], (3,)), "unknown labeler; got morf"),
        ((["morph"], (30_000,)), "counts: too many to compare pair by pair; got 30000"),
    ],
)
def test_bad_requests_are_named(arguments, message):
    with pytest.raises(FFLabelsError, match=message):
        compare(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candidates": 30_000}, "candidates: too many to compare pair by pair; got 30000"),
        ({"min_visibility": -1.0}, "min_visibility: out of range; got -1"),
        ({"seed": -1}, "seed: negative; got -1"),
        ({"intensity": 0.0}, "intensity: out of range; got 0"),
    ],
)
def test_options_out_of_range_are_errors_and_no_notes(options, message):
    with pytest.raises(FFLabelsError, match=message):
        compare(["morph"], (3,), **options)


def test_what_a_labeler_cannot_draw_is_met_once(monkeypatch):
    calls = []

    def fails(*_, **__):
        calls.append(1)
        raise FFLabelsError("cannot")

    monkeypatch.setattr("fflabels.brief.propose", fails)
    assert {one.reason for one in compare(["morph"], (3, 5), **SMALL)} == {"cannot"}
    assert len(calls) == 1


class Numbers(Params, frozen=True):
    pair: tuple[float, float] = (1.0, 2.0)
    some: tuple[int, ...] | None = None
    many: list[int] = []  # noqa: RUF012 - copied for each


class Numbered(Labeler):
    """Takes numbers, several at once."""

    name = "numbered"
    params_type = Numbers


def test_parameters_of_several_numbers_are_typed_with_commas_and_shown_so():
    typed = convert_params("numbered", Numbers, {"pair": "3,4.5", "some": "5,6", "many": "7"}, typed=False)
    assert typed == Numbers(pair=(3.0, 4.5), some=(5, 6), many=[7])
    assert _params(Numbered(pair=(3.0, 4.5), some=(5, 6))) == "pair=3.0,4.5 some=5,6"
    with pytest.raises(FFLabelsError, match=r"not finite; got pair\[1\]=inf; expected a finite number"):
        Numbered(pair=(1.0, float("inf")))
