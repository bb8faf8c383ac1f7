"""Finish a run: fit the heads, evaluate, save weights and results, seal the folder."""

from __future__ import annotations

from fflabels.files import write_whole
from fflabels.progress import Progress
from ffnet.data.dataset import Data
from ffnet.evaluation.accuracy import evaluate
from ffnet.fitting import fit_heads, untrained
from ffnet.model.net import FFNet
from ffnet.runs.clock import Clock
from ffnet.runs.files import FORECAST, MODEL, RESULTS, UNTRAINED, as_json
from ffnet.runs.folder import Run
from ffnet.runs.log import Log
from ffnet.runs.results import Results
from ffnet.runs.seal import SEAL, seal
from ffnet.runs.weights import save_weights


def finish(run: Run, data: Data, log: Log, progress: Progress) -> Run:
    """Fit the heads of the trained and of the untrained net, and evaluate every split once."""
    # Remove what an earlier finish wrote: it is out of date.
    for name in (RESULTS, SEAL, FORECAST):
        (run.folder / name).unlink(missing_ok=True)

    # Fit the heads, and save both nets.
    net, clock, control = run.net, Clock(), None
    net.eval()
    if isinstance(net, FFNet):
        fit_heads(net, data, progress=progress, done=lambda what: log.timing(what, **clock.lap()))
        control = untrained(net, data, progress=progress)
        log.timing("untrained net", **clock.lap())
        save_weights(control, run.folder / UNTRAINED)
    save_weights(net, run.folder / MODEL)

    # Evaluate, and save the results.
    validation = test = None
    if len(data.validation):
        validation = evaluate(net, data, "validation", control=control, progress=progress)
    if run.config.inference.test and len(data.test):
        run.count_test_read()
        test = evaluate(net, data, "test", control=control, progress=progress)
    log.timing("evaluation", **clock.lap())
    run.results = Results(validation, test)
    results = as_json(run.results.to_builtins())
    seal(run.folder, results)
    write_whole(run.folder / RESULTS, results)
    return run
