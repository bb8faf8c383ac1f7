"""Optimizers without TorchDynamo, whose import takes as long as that of PyTorch itself."""

from __future__ import annotations

import inspect
from typing import TypeVar

import torch

AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)

GUARDED = ("add_param_group", "step", "zero_grad")
"""The methods of an optimizer that PyTorch shields from its compiler; each imports TorchDynamo when it is called."""


def eager(optimizer: type[AnyOptimizer]) -> type[AnyOptimizer]:
    """Return an optimizer class that does the same, but is never part of a compiled graph.

    Examples
    --------
    >>> import torch
    >>> adam = eager(torch.optim.Adam)([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    """
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in GUARDED}
    methods["step"] = torch.no_grad()(methods["step"])
    made: type[AnyOptimizer] = type(optimizer.__name__, (optimizer,), methods)
    return made
