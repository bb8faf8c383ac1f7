"""Two ranks on this machine are one process within rounding, resume bit for bit, and end together."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import ranks
import torch
from commands import start
from ranks import CASES, RUN, trained_state
from safetensors.torch import load_file

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.runs.log import read_lines
from ffnet.runs.settings import ElsewhereWarning
from ffnet.system.ranks import Ranks
from ffnet.training.loop import make_learner

pytestmark = pytest.mark.slow

SCRIPT = Path(ranks.__file__)
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def launch(*arguments, cwd):
    return subprocess.run(
        [*LAUNCH, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("ranks")
    done = launch(SCRIPT, found, "together", cwd=found)
    assert done.returncode == 0, done.stderr
    return found


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_train_as_one_process_and_hold_the_same_state(folder, case):
    states = [load_file(folder / f"{case}-{rank}.safetensors") for rank in range(2)]
    for name, alone in trained_state(CASES[case]).items():
        assert torch.equal(*(state[name] for state in states)), name
        torch.testing.assert_close(states[0][name], alone, rtol=1e-6, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


def test_a_run_of_two_ranks_is_the_run_of_one_within_rounding(folder, tmp_path):
    alone = ffnet.train(ffnet.Config().override(RUN), out=tmp_path / "alone")
    for ours, theirs in zip(alone.metrics, read_lines(folder / "whole" / "metrics.jsonl"), strict=True):
        assert ours["dead_layers"] == theirs["dead_layers"]
        for name in ("layer_loss", "discrimination"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6)
    assert ", 2 ranks" in ffnet.load_run(folder / "whole").about.device


def test_a_run_of_two_ranks_stopped_and_resumed_ends_as_one_left_alone(folder):
    assert all((folder / f"interrupted-{rank}").exists() for rank in range(2))
    for name in ("model.safetensors", "untrained.safetensors", "metrics.jsonl", "metrics.csv", "results.json"):
        assert (folder / "whole" / name).read_bytes() == (folder / "parts" / name).read_bytes(), name


def test_a_rank_that_fails_ends_the_others_with_a_clear_error(tmp_path):
    done = launch(SCRIPT, tmp_path, "fail", cwd=tmp_path)
    assert done.returncode == 1
    assert "this rank has failed" in done.stderr
    assert "rank 0: another rank has ended, and this one with it" in done.stderr
    run = ffnet.load_run(tmp_path / "run")
    assert run.results is None
    with pytest.warns(ElsewhereWarning, match="continues on .* 2 ranks"):
        assert ffnet.resume(tmp_path / "run").results


def test_torchrun_starts_the_installed_command(tmp_path):
    settings = [part for setting in RUN for part in ("--set", setting)]
    command = [Path(sys.executable).with_name("ffnet"), "train", *settings, "--out", "run"]
    done = launch("--no-python", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ", 2 ranks" in ffnet.load_run(tmp_path / "run").about.device
    assert ffnet.load_run(tmp_path / "run").results
    again = launch("--no-python", command[0], "resume", "run", "--json", cwd=tmp_path)  # finished: one rank tells
    assert json.loads(again.stdout)["run"] == "run"


def test_half_of_what_torchrun_sets_is_refused(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "MASTER_ADDR")}
    done = start("ffnet", "train", "--epochs", "1", cwd=tmp_path, env=environment | {"WORLD_SIZE": "2"}).end()
    assert "environment: WORLD_SIZE is set, but not what torchrun sets with it" in done.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["algorithm=bp"], "3 ranks: not layer-local; expected layers that learn alone"),
        (["net.first_layer=with_next"], "3 ranks: not layer-local"),
        ([], "train.batch: not divisible by the number of ranks; got 32; expected a multiple of the 3 ranks"),
    ],
)
def test_what_ranks_cannot_share_is_refused(settings, message):
    config = ffnet.Config().override(["labels.set=fourier:paper10", *settings])
    data = ffnet.load_data(config.data)
    bp = config.algorithm == "bp"
    net = ffnet.BPNet(config, data.shape, 10) if bp else ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    with pytest.raises(FFLabelsError, match=message):
        make_learner(net, len(data.train), Ranks(0, 3))


def test_shares_are_a_partition():
    shares = [range(12)[Ranks(rank, 3).share(12)] for rank in range(3)]
    assert sorted(k for share in shares for k in share) == list(range(12))
    assert Ranks().largest_of(0, 1.5, math.inf) == (0, 1.5, math.inf)
    assert Ranks().broadcast_text("here") == "here"
