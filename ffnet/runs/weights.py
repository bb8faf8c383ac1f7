"""The weights of nets and heads in the files of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from fflabels.errors import FFLabelsError
from fflabels.files import write_whole
from ffnet.model.heads import Forecast
from ffnet.model.net import Net
from ffnet.runs.files import CONFIG, REBUILD_HINT, DamagedError


def on_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as safetensors needs them: contiguous and in main memory."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the state of a net, heads included, or of a single head, as safetensors."""
    write_whole(path, save(on_host(module.state_dict())))


def load_weights(net: Net, path: Path, hint: str = REBUILD_HINT) -> None:
    """Load a net's state from a file.

    Raises
    ------
    DamagedError
        When the file cannot be read; `ffnet.resume` makes it again.
    FFLabelsError
        When the weights are those of another net.
    """
    try:
        state = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise DamagedError(f"damaged: {error}", where=str(path), hint=hint) from None
    try:
        net.load_state_dict(state)
    except (RuntimeError, LookupError, ValueError) as error:
        reason = str(error).partition("\n\t")[2].partition("\n")[0] or str(error)
        raise FFLabelsError(
            f"these weights do not fit the settings in {CONFIG}: {reason}",
            where=str(path),
            hint=f"{CONFIG} was edited, or this is another run's file: put back the one that is wrong",
        ) from None


def load_forecast(path: Path) -> Forecast:
    """Return the forecast in a file."""
    try:
        return Forecast.from_state(load(path.read_bytes()))
    except (OSError, SafetensorError, RuntimeError, LookupError, ValueError) as error:
        raise FFLabelsError(f"damaged: {error}", where=str(path), hint="remove it: ffnet eval fits it anew") from None
