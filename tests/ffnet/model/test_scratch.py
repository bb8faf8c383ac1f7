"""Memory that is used again."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's"),
]

COUNT = """
import ctypes, resource
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: pages of 4 KiB
import torch, ffnet
from fflabels import named_set
from ffnet.training.loop import make_learner

config = ffnet.Config().override(["net.widths=[2,2]", "net.pools=[]"])
net = ffnet.FFNet(config, (1, 16, 16), named_set("fourier:paper10"))
{first}
def maps():
    return [torch.empty(24 << 20, dtype=torch.uint8).fill_(1) for _ in range(4)]
for _ in range(5):
    maps()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
maps()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""How many fresh pages maps of 96 MiB take once they were there a few times."""
KEEP = "from fflabels_cli.memory import keep_freed_memory; keep_freed_memory()"
LIBRARY = [
    "make_learner(net, 10)",
    "ffnet.predict(net, torch.zeros(1, 1, 16, 16), inference='goodness')",
    "import fflabels_cli.memory",
]


def fresh_pages(first, **environment):
    """Return what `COUNT` prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(first=first)],
        env=kept | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_commands_keep_memory_that_was_freed():
    assert fresh_pages(KEEP) < 20


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_environment_says_of_the_allocator_holds(name):
    value = "glibc.malloc.trim_threshold=131072" if name == "GLIBC_TUNABLES" else "131072"
    assert fresh_pages(KEEP, **{name: value}) > 20_000


@pytest.mark.parametrize("first", LIBRARY, ids=["training", "prediction", "import"])
def test_the_library_leaves_the_allocator_of_its_caller_alone(first):
    code = "import ctypes; ctypes.CDLL = lambda *_: 1 / 0; " + first  # a call of mallopt would need it
    assert fresh_pages(code) >= 0
