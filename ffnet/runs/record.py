"""What a run folder says of a run, without its net and its labels' code: for overviews, which need no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fflabels.label_set_file import Contents
from ffnet.config import Config
from ffnet.labels.filed_codes import FiledCodes
from ffnet.runs.checkpoint_file import newest_file
from ffnet.runs.files import CHECKPOINTS, LABELS, MODEL, RESULTS
from ffnet.runs.log import METRICS, read_lines
from ffnet.runs.results import Results, read_test_reads
from ffnet.runs.seal import check_seal
from ffnet.runs.settings import About, read_config, settings_digest

if TYPE_CHECKING:
    from ffnet.training.learner import Metrics


@dataclass
class Record:
    """A run as recorded in its folder. Needs no plugin; cannot predict or evaluate.

    Attributes
    ----------
    folder, config, about, metrics, results
        As in `Run`.
    labels
        What the file of the labels says; None without labels.
    test_reads
        How often the test images were read.
    """

    folder: Path
    config: Config
    about: About
    labels: Contents | FiledCodes | None
    metrics: list[Metrics]
    results: Results | None
    test_reads: int


def read_record(folder: str | Path) -> Record:
    """Return the record of a run, finished or not.

    Raises
    ------
    FFLabelsError
        When the folder holds no run, or a file in it is damaged.

    Examples
    --------
    >>> import tempfile, ffnet
    >>> from ffnet.runs.record import read_record
    >>> small = ["labels.set=fourier:paper10", "data.limit=100", "train.epochs=1", "net.widths=[4,4,4]"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ffnet.train(ffnet.Config().override(small), out=folder)
    ...     read_record(folder).labels.n
    10
    """
    folder = Path(folder)
    config, about = read_config(folder)
    check_seal(folder, about.format)
    labels: Contents | FiledCodes | None = None
    if config.algorithm == "ff":
        labels = (FiledCodes if config.has_codes else Contents).load(folder / LABELS)
    metrics = read_lines(folder / METRICS)
    if not (folder / MODEL).exists() and (newest := newest_file(folder / CHECKPOINTS, settings_digest(folder))):
        del metrics[newest[1].epoch :]
    results = Results.read(folder / RESULTS) if (folder / RESULTS).exists() else None
    return Record(folder, config, about, labels, metrics, results, read_test_reads(folder))
