"""A run and its folder: load it, predict and evaluate with its net."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from fflabels import LabelSet
from fflabels.arrays import Shape
from fflabels.errors import FFLabelsError
from fflabels.progress import Progress, silent
from fflabels.registry import running_no_files
from ffnet.config import Config, Inference
from ffnet.data.dataset import Data
from ffnet.data.load import load_data
from ffnet.evaluation.accuracy import Evaluation, SplitName, evaluate
from ffnet.fitting import fit_forecast, untrained
from ffnet.inference.predict import check_inference, predict, renamed_method
from ffnet.inference.registry import get_inference
from ffnet.labels.codes import Codes
from ffnet.model.baseline import Baseline, BPNet, LocalNet
from ffnet.model.net import FFNet, Net
from ffnet.prepare import check_drawing
from ffnet.runs import files
from ffnet.runs.checkpoint import net_state, newest_checkpoint
from ffnet.runs.log import METRICS, read_lines
from ffnet.runs.notebook import run_html
from ffnet.runs.record import Record
from ffnet.runs.results import Reads, Results, read_test_reads
from ffnet.runs.seal import check_seal
from ffnet.runs.settings import About, check_data, read_layer_labels, read_settings, settings_digest, with_root
from ffnet.runs.weights import load_forecast, load_weights, save_weights
from ffnet.system.devices import memory_errors, resolve_device
from ffnet.training.learner import Metrics

BASELINES: dict[str, type[Baseline]] = {"bp": BPNet, "local": LocalNet}
"""The nets of algorithms without labels."""


@dataclass
class Run:
    """A run: its folder, settings, net, metrics and, once it is finished, results.

    Attributes
    ----------
    folder
        The run folder.
    config, about
        The settings; the data set, device and versions that the run began with.
    net
        `FFNet`, `BPNet` or `LocalNet`; in an unfinished run, as of the newest checkpoint.
    metrics
        The metrics of each epoch.
    results
        Accuracies, or None while the run is unfinished.

    Examples
    --------
    >>> import tempfile, ffnet
    >>> small = ["labels.set=fourier:paper10", "data.limit=100", "train.epochs=1", "net.widths=[4,4,4]"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ffnet.train(ffnet.Config().override(small), out=folder)
    ...     run.predict(run.data().test.images[:5], inference="goodness").shape
    torch.Size([5])
    """

    folder: Path
    config: Config
    about: About
    net: Net
    metrics: list[Metrics] = field(default_factory=list)
    results: Results | None = None

    def __repr__(self) -> str:
        done, name = f"{len(self.metrics)} of {self.config.train.epochs} epochs", self.about.data.name
        evaluation = self.results and (self.results.test or self.results.validation)
        accuracies = evaluation.accuracies.items() if evaluation else ()
        results = "".join(f", {method} {100 * accuracy.accuracy:.1f} %" for method, accuracy in accuracies)
        return f"Run({str(self.folder)!r}, {name}, {done}{results})"

    def _repr_html_(self) -> str:
        return run_html(self.metrics, self.results, repr(self))

    def check_trained(self) -> None:
        """Refuse a run without a complete epoch."""
        if not self.metrics and not self.results:
            raise FFLabelsError("no epoch was trained yet", where=str(self.folder), hint="ffnet resume continues it")

    def predict(self, images: Tensor, *, inference: Inference | None = None, method: Inference | None = None) -> Tensor:
        """Return the predicted classes of images, (N,) int64, as `ffnet.predict` does; `method` is an old name.

        Raises
        ------
        FFLabelsError
            Before the first epoch is complete, and as `ffnet.predict` does.
        """
        self.check_trained()
        return predict(self.net, images, inference=renamed_method(inference, method))

    @property
    def labels(self) -> LabelSet | Codes | None:
        """The label set, or the codes of every layer; None for baselines."""
        return self.net.labels

    @property
    def test_reads(self) -> int:
        """How often the test images were read, by the training and since."""
        return read_test_reads(self.folder)

    def count_test_read(self) -> None:
        """Count one more reading of the test images; call this before they are read."""
        files.write_json(self.folder / files.READS, Reads(self.test_reads + 1))

    def data(self, root: str | None = None) -> Data:
        """Return the run's data set.

        Parameters
        ----------
        root
            Where the data are now: the folder of torchvision's data sets, or the run's own folder of images.

        Raises
        ------
        FFLabelsError
            When the data set cannot be read, or is not the one that the run began with.
        """
        data = load_data(with_root(self.config, root).data, self.about.data.splits)
        return check_data(data, self.about, self.folder)

    @memory_errors()
    def fit_forecast(self, data: Data, *, progress: Progress = silent) -> None:
        """Fit the forecast that halving starts from and save it in the folder, unless the net has one already."""
        if isinstance(self.net, FFNet) and self.net.forecast is None:
            self.net.forecast = fit_forecast(self.net, data.train.images, progress=progress)
            try:
                save_weights(self.net.forecast, self.folder / files.FORECAST)
            except FFLabelsError as error:
                warnings.warn(f"the forecast was fitted but could not be saved: {error}", stacklevel=2)

    @memory_errors()
    def control(self, data: Data) -> FFNet | None:
        """Return the untrained net with its linear classifier fitted, from the folder or built again.

        None for baselines.
        """
        if not isinstance(self.net, FFNet):
            return None
        if not (self.folder / files.UNTRAINED).exists():
            return untrained(self.net, data)
        check_seal(self.folder, self.about.format)
        net = FFNet(self.config, self.net.shape, self.net.labels, self.net.layer_labels).to(self.net.device)
        load_weights(net, self.folder / files.UNTRAINED)
        return net.eval()

    @memory_errors()
    def evaluate(
        self, data: Data, split: SplitName, *, inference: Inference | None = None, progress: Progress = silent
    ) -> Evaluation:
        """Return accuracies on a split; the folder counts every reading of the test images.

        For halving the forecast is fitted first, if the net has none yet.

        Raises
        ------
        FFLabelsError
            For an empty split, an inference method that the net does not have, and a run without a complete epoch. For
            an unfinished run: for the test split, and for any inference method but goodness.
        """
        if inference is None and self.labels and self.results is None:
            inference = "goodness"  # the others are fitted at the end
        # Refuse what cannot be evaluated, before a reading of the test images is counted.
        check_inference(self.net, inference)
        self.check_trained()
        if not len(getattr(data, split, [0])):
            raise FFLabelsError("no images", where=f"split {split}", hint="data.validation sets some apart")
        finished = self.results is not None
        if split == "test" and not finished:
            raise FFLabelsError(
                "not finished: test images are refused", where=str(self.folder), hint="ffnet resume finishes the run"
            )
        if self.labels and not finished and inference != "goodness":
            raise FFLabelsError(
                "other inference methods than goodness are fitted at the end",
                where=str(self.folder),
                hint="ffnet resume finishes the run; --inference goodness works now",
            )

        # Fit what is missing, count the reading, evaluate.
        method = get_inference(inference)[1] if inference else None
        if method and method.needs == "forecast":
            self.fit_forecast(data, progress=progress)
        if split == "test":
            self.count_test_read()
        control = self.control(data) if method is None or method.control else None
        return evaluate(self.net, data, split, inference=inference, control=control, progress=progress)


def load_run(folder: str | Path, *, device: str = "cpu") -> Run:
    """Return a run, finished or not.

    Parameters
    ----------
    folder
        The run folder.
    device
        Where to put the net.

    Raises
    ------
    FFLabelsError
        When the folder holds no run, a file in it is damaged, or a finished run was changed since (see
        `ffnet.runs.seal`).

    Examples
    --------
    >>> import tempfile, ffnet
    >>> small = ["labels.set=fourier:paper10", "data.limit=100", "train.epochs=1", "net.widths=[4,4,4]"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = ffnet.train(ffnet.Config().override(small), out=folder)
    ...     ffnet.load_run(folder).results == run.results
    True
    """
    folder = Path(folder)
    config, about, labels = read_settings(folder)
    check_seal(folder, about.format)
    with running_no_files():
        net = build(config, about.data.shape, labels, len(about.data.class_names), read_layer_labels(folder))
    net = net.to(resolve_device(device))
    check_drawing(net)
    metrics = read_lines(folder / METRICS)
    if (folder / files.MODEL).exists():
        load_weights(net, folder / files.MODEL)
        if labels and (folder / files.FORECAST).exists():
            net.forecast = load_forecast(folder / files.FORECAST).to(net.device)
    elif (folder / files.RESULTS).exists():
        raise FFLabelsError("is missing", where=str(folder / files.MODEL), hint=files.REBUILD_HINT)
    elif newest := newest_checkpoint(folder / files.CHECKPOINTS, settings_digest(folder)):
        state, position = newest
        net.load_state_dict(net_state(state))
        del metrics[position.epoch :]
    results = Results.read(folder / files.RESULTS) if (folder / files.RESULTS).exists() else None
    net.eval()
    return Run(folder, config, about, net, metrics, results)


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a run's results and its trained net."""
    return (folder / files.RESULTS).exists() and (folder / files.MODEL).exists()


def build(
    config: Config,
    shape: Shape,
    labels: LabelSet | Codes | None,
    classes: int,
    layer_labels: LabelSet | None = None,
) -> Net:
    """Return a net with its initial weights: forward-forward or, without labels, a baseline."""
    return FFNet(config, shape, labels, layer_labels) if labels else BASELINES[config.algorithm](config, shape, classes)


def check_alike(runs: Sequence[Run | Record]) -> None:
    """Refuse runs of different data sets, an unfinished run, and the same run twice."""
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise FFLabelsError("the same run twice", where="runs")
    for run in runs:
        if run.results is None:
            raise FFLabelsError("not finished", where=str(run.folder), hint="ffnet resume finishes it")
        if run.about.data.identity != runs[0].about.data.identity:
            got, expected = str(run.about.data), str(runs[0].about.data)
            raise FFLabelsError("another data set", where=str(run.folder), got=got, expected=expected)
