"""``python -m ffnet.train``: the command ``ffnet train``, as torchrun starts it. `ffnet.train` itself is a function."""

from __future__ import annotations

from ffnet.__main__ import command

if __name__ != "__main__":
    # Imported, the module would take the function's place in the package.
    raise ImportError("ffnet.train is a function; as a module it can only be run: python -m ffnet.train")

command("train")
