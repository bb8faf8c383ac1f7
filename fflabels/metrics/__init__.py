"""Similarity metrics: one file each, called as in names.txt. `METRICS` holds them by name; `register` adds one.

A new built-in metric takes a file here that defines ``METRIC``, and its line in names.txt. That list is a text file so
that the command line shows it in ``--help`` without importing NumPy.
"""

from __future__ import annotations

from importlib import import_module, resources

from fflabels.errors import FFLabelsError, registered
from fflabels.images import References
from fflabels.metrics.metric import GRID, Matrix, Metric, finished

__all__ = ["GRID", "METRICS", "Matrix", "Metric", "finished", "get_metric", "metrics_on", "register"]

METRICS: dict[str, Metric] = {}
"""All registered metrics, in the order of tables."""


def register(metric: Metric) -> Metric:
    """Add a metric, so that every function and command knows it by its name.

    Raises
    ------
    FFLabelsError
        When the name is taken.
    """
    if metric.name in METRICS:
        raise FFLabelsError("the name is taken", where="metric", got=metric.name)
    METRICS[metric.name] = metric
    return metric


def get_metric(name: str, where: str = "metric") -> Metric:
    """Return a metric by its name.

    Raises
    ------
    FFLabelsError
        For an unknown name: the nearest is named.
    """
    return registered(METRICS, name, "metric", where)


def metrics_on(references: References, intensity: float) -> tuple[str, ...]:
    """Return the names of the metrics that can be computed on reference images at a label intensity K."""
    return tuple(name for name, metric in METRICS.items() if metric.applies(references, intensity))


for _name in resources.files(__name__).joinpath("names.txt").read_text(encoding="utf-8").split():
    register(import_module(f"{__name__}.{_name}").METRIC)
