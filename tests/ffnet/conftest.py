"""Runs and convolutions that tests of several folders share. PyTorch is imported in the fixtures: it may be missing."""

import pytest


@pytest.fixture(params=[False, True], ids=["direct", "spectral"])
def convolution(request, monkeypatch):
    """Convolutions as they are in small nets, and as they are in large ones."""
    monkeypatch.setattr("ffnet.model.fast_cpu.spectral.pays", lambda *_: request.param)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two forward-forward runs that differ in their seed, and one by back-propagation."""
    from reference import SMALL_TRAINED

    import ffnet

    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for name, values in {"ff0": {}, "ff1": {"seed": 1}, "bp": {"algorithm": "bp"}}.items():
        made[name] = ffnet.train(ffnet.Config().replaced({**SMALL_TRAINED, **values}), out=folder / name)
    return made


@pytest.fixture(scope="session")
def data():
    """The digits of `runs`."""
    from reference import SMALL_TRAINED

    import ffnet

    return ffnet.load_data(ffnet.Config().replaced(SMALL_TRAINED).data)
