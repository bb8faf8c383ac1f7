"""Entry points → labelers. Listing never imports; one broken plugin harms only the command that names it."""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from fflabels.errors import FFLabelsError, LabelerFaultError, install_command, lacks_memory, nearest, short
from fflabels.labeler import API_VERSION, Labeler
from fflabels.recipe import Recipe

GROUP = "fflabels.labelers"
DISTRIBUTION = "fflabels"

State = Literal["builtin", "available", "ok", "broken", "ambiguous", "reserved"]

IN_A_FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[^\W\d]\w*)", re.DOTALL)
"""``path/to/file.py:Class``."""


@dataclass(frozen=True, order=True)
class Entry:
    """One labeler on offer. Nothing of it has been imported, unless this process offered it itself.

    Attributes
    ----------
    name
        What users type.
    distribution, version
        What pip installed; empty for a labeler that this process offers, see `offer`.
    value
        ``module:Class``.
    state
        ``builtin``; ``available``: not looked at; ``ambiguous``: two plugins offer the name; ``reserved``: a built-in
        labeler has the name. Who tries a plugin, as ``fflabels plugins list --check`` does, finds it ``ok`` or
        ``broken``.
    """

    name: str
    distribution: str
    version: str
    value: str
    state: State

    @property
    def full_name(self) -> str:
        """``distribution:name``, which means this labeler and no other."""
        return f"{self.distribution}:{self.name}" if self.distribution else self.name


LabelerLike: TypeAlias = Labeler[Any] | type[Labeler[Any]] | str
"""A labeler, its class, or its name."""

AnyLabeler: TypeAlias = Labeler[Any] | type[Labeler[Any]] | Entry

_offered: dict[str, tuple[Entry, type[Labeler[Any]]]] = {}


def _allow(_: Entry | str) -> None:
    """Allow everything."""


LONGEST_MESSAGE = 300
"""Characters of an exception of a plugin that are shown."""

LIBRARIES = ("fflabels", "numpy", "scipy", "skimage", "torch", "msgspec", "array_api_compat")
"""Packages that a plugin calls: an error that shows there began in the plugin's own code."""

_calling: ContextVar[AnyLabeler | str] = ContextVar("_calling", default="")
_no_files: ContextVar[bool] = ContextVar("_no_files", default=False)

before_import: Callable[[Entry], None] = _allow
"""Called before third-party code is imported, and may refuse; the commands try the plugin in another process first."""

before_file: Callable[[str], None] = _allow
"""The same, before the code of a file ``path/to/file.py:Class`` is run."""


def entries() -> list[Entry]:
    """Return every labeler on offer, sorted; the environment's ``FFLABELS_PLUGINS`` limits third-party ones.

    Unset: all. Empty: none. Otherwise a comma-separated list of labelers or distributions.
    """
    allowed = os.environ.get("FFLABELS_PLUGINS")
    wanted = None if allowed is None else {_normal(a) for a in allowed.split(",") if a.strip()}
    seen = [
        entry
        for entry in _installed()
        if wanted is None or _is_ours(entry.distribution) or {_normal(entry.name), _normal(entry.distribution)} & wanted
    ]
    known = [*seen, *(entry for entry, _ in _offered.values())]
    return sorted(replace(entry, state=_state(entry, known)) for entry in known)


def hidden(distribution: str, name: str) -> bool:
    """Return whether a labeler is installed, but left out by the environment's ``FFLABELS_PLUGINS``."""
    every = {(_normal(e.distribution), e.name) for e in _installed()}
    seen = {(_normal(e.distribution), e.name) for e in entries()}
    return (_normal(distribution), name) in every - seen


def _installed() -> tuple[Entry, ...]:
    """Return the labelers that distributions offer, whatever the environment says."""
    return _entries_of(_distributions())


def _distributions() -> tuple[tuple[str, int], ...]:
    """Return the metadata folders of all distributions and when each was changed: reading them all takes far longer."""
    changed = []
    for path in sys.path:
        with suppress(OSError), os.scandir(path or ".") as folder:
            changed += [(e.path, e.stat().st_mtime_ns) for e in folder if e.name.endswith((".dist-info", ".egg-info"))]
    return tuple(changed)


@lru_cache(maxsize=1)
def _entries_of(_changed: tuple[tuple[str, int], ...]) -> tuple[Entry, ...]:
    """Return the labelers of all distributions; `_changed` is only the key of the cache."""
    points: dict[tuple[str, str], tuple[str, str]] = {}
    for point in metadata.entry_points(group=GROUP):
        distribution, version = _distribution(point)
        points[point.name, distribution] = version, point.value
    return tuple(Entry(name, dist, version, value, "available") for (name, dist), (version, value) in points.items())


def offer(labeler_type: type[Labeler[Any]]) -> Entry:
    """Make a labeler known by its name, to this process alone: for one that no distribution offers.

    Offering a class again changes nothing; `withdraw` ends it.

    Raises
    ------
    FFLabelsError
        When the class does not fulfil the contract, or another labeler has the name.
    """
    name = getattr(labeler_type, "name", "")
    value = f"{getattr(labeler_type, '__module__', '')}:{getattr(labeler_type, '__qualname__', labeler_type)}"
    entry = Entry(str(name), "", "", value, "available")
    _checked(labeler_type, entry, f"labeler {value}")
    if _offered.get(name, (None, None))[1] is labeler_type:
        return entry
    if taken := next((e for e in entries() if e.name == name), None):
        owner_ = f"{taken.distribution} {taken.version}" if taken.distribution else taken.value
        out = '; FFLABELS_PLUGINS="" leaves out what is installed' if taken.distribution != DISTRIBUTION else ""
        hint = f"{owner_} has it{out if taken.distribution else ''}"
        raise FFLabelsError("the name is taken", where=f"labeler {value}", got=name, hint=hint)
    _offered[name] = entry, labeler_type
    return entry


def withdraw(name: str) -> None:
    """Forget a labeler that was offered; nothing happens where none was."""
    _offered.pop(name, None)


def offer_file(spec: str) -> Entry:
    """Run the code of a file and offer the labeler in it: ``path/to/file.py:Class``.

    The file's folder is put at the end of ``sys.path``, so that other processes find the class as this one does.
    """
    file, name = file_of(spec)
    path = file.resolve()
    if not path.stem.isidentifier():
        raise FFLabelsError(
            "not the name of a module", where=f"labeler {spec}", got=path.name, expected="letters, digits and _",
            hint="rename the file",
        )  # fmt: skip
    for entry, offered in _offered.values():
        if offered.__qualname__ == name and getattr(sys.modules[offered.__module__], "__file__", "") == str(path):
            return entry
    if _no_files.get():
        hint = f"--labeler {spec} runs it"
        raise FFLabelsError("a labeler file named in a run folder is not executed", where=f"labeler {spec}", hint=hint)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        module = importlib.util.find_spec(path.stem)
    except ValueError:  # of __main__, whose name is taken
        module = None
    installed = next((entry for entry in entries() if entry.value == f"{path.stem}:{name}"), None)
    if module is None or module.origin is None or Path(module.origin).resolve() != path:
        use = f", or use the installed labeler: --kind {installed.name}" if installed else ""
        raise FFLabelsError(
            "a module with the file's name already exists",
            where=f"labeler {spec}",
            got=path.stem,
            hint=f"rename the file{use}",
        )
    if installed:
        return installed
    before_file(spec)
    return offer(_load(metadata.EntryPoint(name, f"{path.stem}:{name}", GROUP), f"labeler {spec}"))


@contextmanager
def running_no_files() -> Iterator[None]:
    """Refuse, in this context, a labeler in a file that was not run before: whoever wrote a run may have named it."""
    token = _no_files.set(True)
    try:
        yield
    finally:
        _no_files.reset(token)


def list_labelers(pattern: str = "*") -> list[str]:
    """Return the names of the labelers that match a shell pattern, sorted.

    Examples
    --------
    >>> from fflabels import list_labelers
    >>> list_labelers("fou*")
    ['fourier']
    """
    return sorted({entry.name for entry in entries() if fnmatch.fnmatch(entry.name, pattern)})


def get_labeler(name: str, /, **params: Any) -> Labeler[Any]:
    """Return a labeler by name with typed parameters.

    Parameters
    ----------
    name
        ``morph``; ``distribution:name`` where two offer it; or ``path/to/file.py:Class``, which runs the file's code.
    **params
        The labeler's parameters.

    Raises
    ------
    FFLabelsError
        For an unknown or ambiguous name, a plugin that cannot be imported or does not fulfil the contract, or bad
        parameters.

    Examples
    --------
    >>> from fflabels import get_labeler
    >>> get_labeler("fourier", waves=2).params.waves
    2
    """
    return make(resolve(name), **params)


def as_labeler(labeler: LabelerLike) -> Labeler[Any]:
    """Return the labeler that an instance, a class or a name stands for."""
    if isinstance(labeler, str):
        return get_labeler(labeler)
    if isinstance(labeler, Labeler):
        return labeler
    if isinstance(labeler, type) and issubclass(labeler, Labeler):
        return labeler()
    raise FFLabelsError("not a labeler", where="labeler", got=labeler, expected="a labeler, its class or its name")


def file_of(spec: str) -> tuple[Path, str]:
    """Return the file and the class that ``path/to/file.py:Class`` names; refuse what names none."""
    match = IN_A_FILE.fullmatch(spec)
    if not match:
        raise FFLabelsError("names no class in a file", where="labeler", got=spec, expected="path/to/file.py:Class")
    path = Path(match["path"])
    if not path.is_file():
        raise FFLabelsError("no such file", where=f"labeler {spec}")
    return path, match["name"]


def resolve(name: str, where: str | None = None) -> Entry:
    """Return the entry that a user means; ``path/to/file.py:Class`` runs the file's code. Errors begin with `where`."""
    return offer_file(name) if IN_A_FILE.fullmatch(name) else find(name, where)


def make(entry: Entry, /, **params: Any) -> Labeler[Any]:
    """Return the labeler of an entry with typed parameters."""
    labeler_type = load_class(entry)
    with blaming(entry):
        made = labeler_type(**params)
    if not hasattr(made, "params"):
        raise LabelerFaultError("its __init__ does not call super().__init__(**params)", where=source(entry))
    return made


@contextmanager
def blaming(labeler: AnyLabeler) -> Iterator[None]:
    """Turn whatever a labeler's own code raises into one line that names it, its distribution and its version.

    A plugin's own `FFLabelsError` keeps its text, behind the plugin's name; a built-in labeler's passes as it is. So
    does a lack of memory, on any device: it is the fault of no labeler.
    """
    token = _calling.set(labeler)
    try:
        yield
    except (LabelerFaultError, MemoryError):
        raise
    except FFLabelsError as error:
        where = source(labeler)
        if not _is_third_party(labeler) or str(error).startswith(where):
            raise
        text = str(error).removeprefix(f"labeler {labeler.name}: ")
        raise FFLabelsError(short(text, LONGEST_MESSAGE), where=where) from error
    except BaseException as error:  # a plugin may raise anything
        if lacks_memory(error) or isinstance(error, (KeyboardInterrupt, GeneratorExit)):
            raise
        raise LabelerFaultError(_fault(error), where=source(labeler)) from error
    finally:
        _calling.reset(token)


def _fault(error: BaseException) -> str:
    """Return what a plugin's code raised, and where: the last line of Python that is not a library's."""
    text = short(f"{type(error).__name__}: {error}", LONGEST_MESSAGE)
    if isinstance(error, ValueError) and "read-only" in str(error):
        text = f"changes its images in place ({text})"
    files = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    folders = {Path(f).parent for name in LIBRARIES if (f := getattr(sys.modules.get(name), "__file__", None))}
    own = [(path, line) for path, line in files if path.is_file() and folders.isdisjoint(path.parents)]
    return f"{text} ({own[-1][0].name}:{own[-1][1]})" if own else text


def calling() -> str:
    """Return the labeler whose own code runs now, as errors name it; empty if none does."""
    labeler = _calling.get()
    return labeler if isinstance(labeler, str) else source(labeler)


def _is_third_party(labeler: AnyLabeler) -> bool:
    """Return whether a labeler is from another distribution than fflabels, or from a file."""
    if isinstance(labeler, Entry):
        module = labeler.value
    else:
        module = (labeler if isinstance(labeler, type) else type(labeler)).__module__
    return not module.startswith("fflabels.")


def source(labeler: AnyLabeler) -> str:
    """Return a labeler's name, distribution and version, as errors give them."""
    if isinstance(labeler, Entry):
        distribution, version = labeler.distribution, labeler.version
    else:
        distribution, version = owner(labeler)
    return f"labeler {labeler.name} of {distribution} {version}" if distribution else f"labeler {labeler.name}"


def find(name: str, where: str | None = None) -> Entry:
    """Return the one entry that `name` means; errors begin with `where`. No file is run: a set may be anyone's."""
    known = entries()
    distribution, _, plain = name.rpartition(":")
    matching = [
        e for e in known if e.name == plain and (not distribution or _normal(e.distribution) == _normal(distribution))
    ]
    if ours := [e for e in matching if _is_ours(e.distribution)]:  # built-in names are reserved
        matching = ours
    if not matching:
        if Path(name).suffix == ".py":
            hint = f"{name}:CLASS names a labeler in a file"
            raise FFLabelsError("names no labeler in the file", where=where, got=name, hint=hint)
        names = {e.name for e in known} or {f"none: is fflabels installed? {install_command()}"}
        left_out = "; FFLABELS_PLUGINS limits which plugins are seen" if "FFLABELS_PLUGINS" in os.environ else ""
        raise FFLabelsError("unknown labeler", where=where, got=name, hint=nearest(name, names) + left_out)
    if len(matching) > 1:
        offers = ", ".join(f"{e.distribution}:{e.name} ({e.version})" for e in matching)
        raise FFLabelsError(f"{plain} exists in several distributions", where=where, hint=f"say which: {offers}")
    return matching[0]


def load_class(entry: Entry) -> type[Labeler[Any]]:
    """Import a labeler and hold it against the contract; any failure names the distribution and its version."""
    if entry.name in _offered and not entry.distribution:
        return _offered[entry.name][1]
    if malformed := malformation(entry):
        raise FFLabelsError(malformed, where=source(entry))
    if entry.state != "builtin":
        before_import(entry)
    labeler_type = _load(metadata.EntryPoint(entry.name, entry.value, GROUP), source(entry))
    return _checked(labeler_type, entry, source(entry))


def malformation(entry: Entry) -> str | None:
    """Return what is wrong with how a distribution names its labeler, if anything."""
    if re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", entry.value):
        return None
    return f"its entry point is not module:Class; got {entry.value}"


def _load(point: metadata.EntryPoint, where: str) -> Any:
    token = _calling.set(where)
    try:
        return point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit too
        text = short(f"cannot be imported: {type(error).__name__}: {error}", LONGEST_MESSAGE)
        raise LabelerFaultError(text, where=where) from error
    finally:
        _calling.reset(token)


def _checked(labeler_type: object, entry: Entry, where: str) -> type[Labeler[Any]]:
    """Return a labeler's class; refuse what breaks the contract or goes by another name than its entry."""
    if not (isinstance(labeler_type, type) and issubclass(labeler_type, Labeler)):
        raise FFLabelsError(
            "not a labeler", where=where, got=repr(labeler_type), expected="a subclass of fflabels.Labeler"
        )
    if labeler_type.api_version != API_VERSION:
        raise FFLabelsError(
            "written for another version of the contract",
            where=where,
            got=repr(labeler_type.api_version),
            expected=str(API_VERSION),
            hint="install a version of the plugin that fits this fflabels, or the other way round",
        )
    name = getattr(labeler_type, "name", None)
    if not name:
        raise FFLabelsError("has no name", where=where, expected='name = "…" in the class')
    if name != entry.name:
        raise FFLabelsError(
            "its name differs from its entry point's", where=where, got=repr(name), expected=repr(entry.name)
        )
    if not (isinstance(labeler_type.params_type, type) and issubclass(labeler_type.params_type, msgspec.Struct)):
        raise FFLabelsError(
            "params_type is not a class of parameters", where=where, got=repr(labeler_type.params_type),
            expected="a subclass of fflabels.Params",
        )  # fmt: skip
    needed = [field.name for field in msgspec.structs.fields(labeler_type.params_type) if field.required]
    if needed:
        raise FFLabelsError("parameters without a default", where=where, got=", ".join(needed), expected="one for each")
    recipe_type = getattr(labeler_type, "recipe_type", None)
    if not (isinstance(recipe_type, type) and issubclass(recipe_type, Recipe)):
        raise FFLabelsError(
            "recipe_type is not a recipe", where=where, got=repr(recipe_type), expected="a subclass of fflabels.Recipe"
        )
    return labeler_type


def owner(labeler: Labeler[Any] | type[Labeler[Any]]) -> tuple[str, str]:
    """Return the distribution and the version that a labeler's class comes from; empty strings if from none."""
    labeler_type = labeler if isinstance(labeler, type) else type(labeler)
    value = f"{labeler_type.__module__}:{labeler_type.__qualname__}"
    named = [entry for entry in entries() if entry.name == labeler.name]
    exact = [entry for entry in named if entry.value == value]
    for entry in exact or [entry for entry in named if _leads_to(entry, labeler_type)]:
        return entry.distribution, entry.version
    return "", ""


def _leads_to(entry: Entry, labeler_type: type[Labeler[Any]]) -> bool:
    """Return whether an entry point names a class that its module has imported from another one."""
    module, _, path = entry.value.partition(":")
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found is labeler_type


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution with labelers; empty if there is none."""
    return next((e.version for e in entries() if same_distribution(e.distribution, distribution)), "")


def same_distribution(one: str, other: str) -> bool:
    """Return whether two names are of one distribution: case, dots, hyphens and underscores do not count."""
    return _normal(one) == _normal(other)


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    """Return the name and the version of an entry point's distribution, as far as its metadata can be read."""
    try:
        assert point.dist
        fields = point.dist.metadata
        return str(fields["Name"] or "unknown"), str(fields["Version"] or "0")
    except Exception:  # metadata may be broken in any way, and harm nobody who does not name them
        return "unknown", "0"


def _state(entry: Entry, known: list[Entry]) -> State:
    """Return a labeler's state among all those on offer; built-in names are reserved."""
    if _is_ours(entry.distribution):
        return "builtin"
    others = [other for other in known if other.name == entry.name and other != entry]
    if any(_is_ours(other.distribution) for other in others):
        return "reserved"
    return "ambiguous" if others else "available"


def _is_ours(distribution: str) -> bool:
    return _normal(distribution) == DISTRIBUTION


def _normal(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
