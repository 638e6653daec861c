"""Plugins: the things that a recipe chooses by name, each in a file of its own.

A recipe says ``encoder: {family: resnet}``. The recipe package has to know which names there are, but what stands
behind them (networks, losses, file formats) belongs to packages above it, which it must not import. So the dependency
is turned round: a :class:`Plugins` knows only in which folder to look and how to import what a name stands for at the
moment that it is asked for. Looking for names imports nothing; in particular neither Keras nor TensorFlow.

A name comes from one of three places:

- a module in the package's folder, such as ``hrs_keras/models/encoders/resnet.py``, whose attribute ``PLUGIN`` is the
  thing itself; modules whose name begins with ``_`` are helpers and give no name;
- an entry point of an installed distribution, which names such a module or the thing itself::

      [project.entry-points."hrs_keras.encoders"]
      tiny = "my_package.tiny"

- :meth:`Plugins.register`, for notebooks and tests.
"""

import functools
import importlib
import pkgutil
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from hrs_keras.errors import RecipeError, did_you_mean, reason

T = TypeVar("T")


class Plugins:
    """All things of one kind that a recipe can name.

    Args:
        kind: what messages call such a thing, such as ``"encoder family"``.
        package: whose modules are the built-in ones; None where there are only registered ones.
        group: of the entry points by which installed distributions add their own.
    """

    def __init__(self, kind: str, package: str | None, group: str):
        self.kind, self.package, self.group = kind, package, group
        self._registered: dict[str, Any] = {}

    def names(self) -> list[str]:
        """All names, in alphabetical order. Imports none of the things that they stand for."""
        return sorted({*self._modules(), *self._registered, *(point.name for point in self._points())})

    def register(self, name: str, value: Any) -> None:
        """Add a thing for as long as this process runs.

        Raises:
            RecipeError: there is one of this name already.
        """
        if name in self.names():
            raise RecipeError(f"the {self._called(name)} exists already; register yours under another name")
        self._registered[name] = value

    def unregister(self, name: str) -> None:
        """Remove what :meth:`register` added under this name.

        Raises:
            KeyError: nothing was registered under it.
        """
        del self._registered[name]

    def load(self, name: Any) -> Any:
        """The thing that a name stands for; only its own module is imported.

        Raises:
            RecipeError: there is none of this name, there are two, or it cannot be imported.
        """
        origins = self._origins(name) if isinstance(name, str) else []
        if not origins:
            raise RecipeError(f"unknown {self.kind} {name!r}." + did_you_mean(str(name), self.names()))
        if len(origins) > 1:
            found = " and ".join(_where(origin) for origin in origins)
            raise RecipeError(f"the {self._called(name)} exists twice: {found}; rename or uninstall one of them")
        if isinstance(origins[0], _Registered):
            return origins[0].value
        return self._imported(name, origins[0])

    def load_class(self, name: Any, base: type[T]) -> type[T]:
        """:meth:`load` for things that are classes.

        Args:
            name: the name.
            base: which class they are derived from.

        Raises:
            RecipeError: as :meth:`load`; or the thing is not derived from ``base``.
        """
        found = self.load(name)
        if not (isinstance(found, type) and issubclass(found, base)):
            self._refuse(name, found, f"a class derived from {base.__module__}.{base.__qualname__}")
        return found

    def load_instance(self, name: Any, of: type[T]) -> T:
        """:meth:`load` for things that are objects.

        Args:
            name: the name.
            of: the class that they are instances of.

        Raises:
            RecipeError: as :meth:`load`; or the thing is no instance of ``of``.
        """
        found = self.load(name)
        if not isinstance(found, of):
            self._refuse(name, found, f"an instance of {of.__module__}.{of.__qualname__}")
        return found

    def _refuse(self, name: str, found: Any, wanted: str) -> None:
        where = _where(self._origins(name)[0])
        raise RecipeError(f"the {self._called(name)} ({where}) is {found!r}; it must be {wanted}")

    def _called(self, name: str) -> str:
        return f"{self.kind} {name!r}"

    def _imported(self, name: str, origin: "str | EntryPoint") -> Any:
        try:
            found = origin.load() if isinstance(origin, EntryPoint) else importlib.import_module(origin)
        except Exception as error:  # whatever the imported file does wrong
            what = f"{type(error).__name__}: {reason(error)}"
            raise RecipeError(f"the {self._called(name)} ({_where(origin)}) cannot be imported: {what}") from error
        if not isinstance(found, ModuleType):
            return found
        if not hasattr(found, "PLUGIN"):
            raise RecipeError(
                f"the {self._called(name)} ({_where(origin)}) has no attribute PLUGIN; set it to the thing"
            )
        return found.PLUGIN

    def _origins(self, name: str) -> "list[str | EntryPoint | _Registered]":
        """Where a name comes from: the module's name, the entry point, or what was registered."""
        modules: list[Any] = [f"{self.package}.{name}"] if name in self._modules() else []
        points = [point for point in self._points() if point.name == name]
        registered = [_Registered(self._registered[name])] if name in self._registered else []
        return [*modules, *points, *registered]

    def _modules(self) -> list[str]:
        return [] if self.package is None else _modules(self.package)

    def _points(self) -> tuple[EntryPoint, ...]:
        return _entry_points(self.group, tuple(sys.path))


class _Registered:
    def __init__(self, value: Any):
        self.value = value


def _where(origin: "str | EntryPoint | _Registered") -> str:
    if isinstance(origin, EntryPoint):
        return f"the entry point {origin.value!r}" + (f" of {origin.dist.name}" if origin.dist else "")
    return "registered in this process" if isinstance(origin, _Registered) else f"the module {origin}"


def _modules(package: str) -> list[str]:
    """The names of a package's modules, found without importing it: that could bring Keras with it."""
    top, *below = package.split(".")
    folders = [str(Path(folder, *below)) for folder in importlib.import_module(top).__path__]
    return [module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_")]


# Reading the metadata of all distributions takes as long as reading a recipe does.
@functools.lru_cache(maxsize=64)
def _entry_points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of a group; ``path`` is ``sys.path``, with which they change."""
    # A distribution that is on the path twice, such as an editable install in its own folder, is one.
    return tuple(dict.fromkeys(entry_points(group=group)))


ENCODERS = Plugins("encoder family", "hrs_keras.models.encoders", "hrs_keras.encoders")
"""Of ``encoder.family``: classes derived from ``Encoder``."""

SOURCE_WEIGHTINGS = Plugins("source weighting", "hrs_keras.method.source_weighting", "hrs_keras.source_weightings")
"""Of ``method.source_weighting``: instances of ``SourceWeighting``."""

TRAINERS = Plugins("trainer", "hrs_keras.method.trainers", "hrs_keras.trainers")
"""Of ``method.trainer``."""

EXPORT_FORMATS = Plugins("export format", "hrs_keras.export.formats", "hrs_keras.export_formats")
"""Of ``hrs export --format``."""

DATA_SETS = Plugins("data set format", None, "hrs_keras.data_sets")
"""Of ``format`` in a data set's description: mappings; see :mod:`hrs_keras.recipe.known_data_sets`."""
