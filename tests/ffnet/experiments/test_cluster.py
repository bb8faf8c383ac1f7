"""Jobs through submitit: its local executor, and a real Slurm of one node, where it is installed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from commands import start
from tiny_experiment import COMMAND, TINY, experiment
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from fflabels.errors import FFLabelsError, install_command
from ffnet.experiments import cluster
from ffnet.experiments.cluster import Resources, Work, run_on_ranks, submit, wait_until_done
from ffnet.experiments.jobs import finished_jobs, run_jobs
from ffnet.runs.folder import load_run
from ffnet.runs.locks import is_locked
from ffnet.runs.log import TIMINGS, read_lines

LONG = TINY.replace("train.epochs = 2", "train.epochs = 100").replace("seeds = 2", "seeds = 1")
"""Long enough to be interrupted."""
EPOCHS = 3
"""Epochs that a run has done when it is interrupted."""


def until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.2)


def epochs(folder):
    return sum(str(line["what"]).startswith("epoch ") for line in read_lines(folder / TIMINGS))


def resumed(folder):
    return [line for line in read_lines(folder / TIMINGS) if str(line["what"]).startswith("resumed")]


def nets(jobs, folder):
    return [(folder / job.folder / "model.safetensors").read_bytes() for job in jobs]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    jobs = experiment(folder, LONG).jobs()
    assert run_jobs(jobs, folder / "runs") == []
    return nets(jobs, folder / "runs")


@pytest.mark.slow
def test_a_local_job_that_is_interrupted_is_queued_again_and_comes_to_the_same_bits(tmp_path, uninterrupted):
    jobs = experiment(tmp_path, LONG).jobs()
    [submitted] = submit(jobs, tmp_path / "runs", "local", Resources(minutes=10))
    first = tmp_path / "runs" / jobs[0].folder
    until(lambda: epochs(first) >= EPOCHS)
    os.kill(child_of(submitted), signal.SIGUSR2)
    until(lambda: len(finished_jobs(jobs, tmp_path / "runs")) == len(jobs))
    wait_until_done([submitted])
    assert resumed(first)
    assert nets(jobs, tmp_path / "runs") == uninterrupted
    assert submit(jobs, tmp_path / "runs", "local", Resources()) == []


def child_of(submitted):
    """Return the process of a local job, which its controller started."""
    found = subprocess.run(["pgrep", "-P", submitted.job_id], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


@pytest.mark.slow
def test_the_command_shares_the_jobs_among_local_processes_and_reports(tmp_path):
    (tmp_path / "mine.toml").write_text(TINY)
    command = ["ffnet", "experiment", "run", "mine.toml", "--on", "local", "--workers", "2"]
    done = start(*command, cwd=tmp_path).end()
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "experiments" / "mine" / "full"
    assert len((folder / "results.csv").read_text().splitlines()) == 5
    assert len(list((folder / "cluster").glob("*.out"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("on", [["--on", "local"], []])
def test_a_run_that_diverges_keeps_no_other_process_from_its_own(on, tmp_path):
    """Between them, two processes have a run that diverges at once and two that take longer."""
    text = TINY.replace("seeds = 2", "seeds = 1").replace("train.epochs = 2", "train.epochs = 20")
    text += "levels.other = { settings = { train.alpha = 4.0 } }\n"
    (tmp_path / "mine.toml").write_text(text.replace('train.goodness = "log"', "train.lr = 1e36"))
    done = start("ffnet", "experiment", "run", "mine.toml", "--workers", "2", *on, cwd=tmp_path).end()
    assert done.returncode == 1
    assert "1 of 3 runs have no results" in done.stderr
    assert "Not finished: 1 of 3." in (tmp_path / "experiments/mine/full/report.md").read_text()


def ignore_ctrl_c():
    """Ignore SIGINT, as commands do that a script starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.slow
def test_a_signal_leaves_no_training_behind(tmp_path):
    (tmp_path / "mine.toml").write_text(LONG.replace("train.epochs = 100", "train.epochs = 3000"))
    command = [sys.executable, "-c", COMMAND, "experiment", "run", "mine.toml", "--workers", "2", "--on", "local"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=ignore_ctrl_c
    )
    runs = tmp_path / "experiments" / "mine" / "full"
    until(lambda: len([folder for folder in runs.glob("*-0") if epochs(folder) >= 1]) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    until(lambda: not any(is_locked(folder) for folder in runs.glob("*-0")), 60)


@pytest.mark.slow
def test_with_several_gpus_their_ranks_train_one_net_together(tmp_path):
    jobs = experiment(tmp_path, TINY).jobs()[:2]
    good, bad = jobs[0], jobs[1]._replace(config=jobs[1].config.replaced({"train.crop": 20}))
    wait_until_done(submit([good], tmp_path / "runs", "local", Resources(gpus=2)))
    assert load_run(tmp_path / "runs" / good.folder).about.devices.endswith("2 ranks")
    with pytest.raises(FFLabelsError, match=r"train.crop: leaves nothing of an image|another rank has ended"):
        run_on_ranks(bad, tmp_path / "runs", 2)


def test_a_failure_of_a_rank_that_is_no_error_of_ours_is_kept_whole(tmp_path, monkeypatch):
    failed = ChildFailedError("rank", {0: ProcessFailure(0, 1, -9, "<N/A>")})

    def launched(config, function):
        def launch(*arguments):
            raise failed

        return launch

    monkeypatch.setattr(cluster, "elastic_launch", launched)
    with pytest.raises(ChildFailedError):
        run_on_ranks(experiment(tmp_path, TINY).jobs()[0], tmp_path, 2)


@pytest.mark.slow
def test_an_error_of_a_job_is_one_line(tmp_path):
    jobs = experiment(tmp_path, TINY).jobs()[:1]
    bad = [job._replace(config=job.config.replaced({"train.crop": 20})) for job in jobs]
    with pytest.raises(FFLabelsError, match=r"log.err: .*train.crop: leaves nothing") as raised:
        wait_until_done(submit(bad, tmp_path / "runs", "local", Resources()))
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_without_slurm_or_submitit_there_is_one_line(tmp_path, monkeypatch):
    jobs = experiment(tmp_path, TINY).jobs()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FFLabelsError, match="--on slurm: Slurm is not installed here; expected sbatch and srun"):
        submit(jobs, tmp_path, "slurm", Resources())
    code = f"import sys; sys.modules['submitit'] = None; {COMMAND}"
    command = [sys.executable, "-c", code, "experiment", "run", "mine.toml", "--on", "slurm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, f"Error: --on needs submitit: {install_command('cluster')}\n")


def test_on_slurm_each_job_is_an_element_of_one_array_with_what_was_asked_for(tmp_path, monkeypatch):
    class Executor:
        def __init__(self, folder, cluster, **given):
            self.updates, self.works = {}, []
            made.append(self)

        def update_parameters(self, **given):
            self.updates |= given

        def batch(self):
            return socket.socket()  # any context

        def submit(self, work):
            self.works.append(work)

    made = []
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(cluster.submitit, "AutoExecutor", Executor)
    jobs = experiment(tmp_path, TINY).jobs()
    submit(jobs, tmp_path, "slurm", Resources("short", 30, 2, 8))
    [executor] = made
    assert [work.jobs for work in executor.works] == [[job] for job in jobs]
    wanted = {"slurm_partition": "short", "timeout_min": 30, "gpus_per_node": 2, "mem_gb": 8}
    assert wanted.items() <= executor.updates.items()
    assert isinstance(Work(jobs, tmp_path).checkpoint().function, Work)


CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=1
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1 State=UP
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF State=UP
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Start munge and a Slurm of this machine alone; stop them at the end."""
    programs = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
    if missing := [name for name in programs if not shutil.which(name)]:
        pytest.skip(f"Slurm is not installed: no {', '.join(missing)} (Debian: slurm-wlm, munge)")
    if os.geteuid() or not (os.cpu_count() or 1) > 1:
        pytest.skip("a Slurm of its own needs root and two cores")
    folder, host = tmp_path / "slurm", socket.gethostname().partition(".")[0]
    (folder / "state").mkdir(parents=True)
    (folder / "spool").mkdir()
    key, sockets = folder / "key", [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    (folder / "slurm.conf").write_text(CONFIGURATION.format(host=host, ports=ports, folder=folder))
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    files = {name: f"{folder}/munge.{name}" for name in ("socket", "pid", "log", "seed")}
    names = {"socket": "socket", "pid": "pid-file", "log": "log-file", "seed": "seed-file"}
    options = [f"--{names[name]}={path}" for name, path in files.items()]
    pids = [folder / "slurmd.pid", folder / "slurmctld.pid", folder / "munge.pid"]
    try:
        subprocess.run(["munged", "--force", f"--key-file={key}", *options], check=True, capture_output=True)
        subprocess.run(["slurmctld", "-c"], check=True)
        subprocess.run(["slurmd", "-c", "-N", host], check=True)
        until(lambda: "idle" in subprocess.run(["sinfo"], capture_output=True, text=True).stdout, 30)
        yield
    finally:
        for path in pids:
            if path.exists():
                os.kill(int(path.read_text()), signal.SIGTERM)


@pytest.mark.slow
def test_on_slurm_jobs_that_are_pre_empted_or_out_of_time_go_on_to_the_same_bits(tmp_path, slurm, uninterrupted):
    jobs = experiment(tmp_path, LONG).jobs()
    command = [sys.executable, "-c", COMMAND, "experiment", "run", "mine.toml"]
    on = ["--on", "slurm", "--partition", "low", "--time", "10"]
    done = subprocess.run([*command, *on], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "submitted: 1_0, 1_1" in done.stdout, done.stderr
    folder = tmp_path / "experiments" / "mine" / "full"
    runs = [folder / job.folder for job in jobs]

    # A job that goes before them takes both cores: Slurm kills them, and queues them again. Until then they stand
    # still, or they would be done before Slurm has seen that job.
    for element in running_in_turn(runs):
        subprocess.run(["scancel", "--signal=STOP", element], check=True)
    subprocess.run(["sbatch", "-p", "high", "-n", "2", "-o", "/dev/null", "--wrap", "true"], check=True)
    until(lambda: not running())
    start_now()
    until(lambda: all(resumed(run) for run in runs))

    # The signal that submitit asks Slurm for before the time limit.
    subprocess.run(["scancel", "--signal=USR2", "1_0"], check=True)
    until(lambda: "1_0" not in running())
    start_now()
    until(lambda: len(finished_jobs(jobs, folder)) == len(jobs), 240)
    assert nets(jobs, folder) == uninterrupted
    assert len(resumed(runs[0])) == 2


def running_in_turn(runs):
    """Yield each job, such as 1_0, as soon as its run has done some epochs."""
    left = dict(enumerate(runs))
    while left:
        until(lambda: any(epochs(run) >= EPOCHS for run in left.values()))
        for index in [index for index, run in left.items() if epochs(run) >= EPOCHS]:
            yield f"1_{index}"
            del left[index]


def running():
    return subprocess.run(["squeue", "-h", "-t", "R", "-o", "%i"], capture_output=True, text=True).stdout.split()


def start_now():
    """Slurm starts jobs that were queued again two minutes later."""
    until(lambda: not subprocess.run(["squeue", "-h", "-t", "CG"], capture_output=True, text=True).stdout)
    until(lambda: "1_" in subprocess.run(["squeue", "-h", "-t", "PD"], capture_output=True, text=True).stdout)
    for line in subprocess.run(["squeue", "-h", "-t", "PD", "-o", "%A"], capture_output=True, text=True).stdout.split():
        subprocess.run(["scontrol", "update", f"JobId={line}", "StartTime=now"])  # fails if it has started by itself
