"""Numba's cache on disk in two places: what was made ahead, read only, and what this machine compiled.

By itself numba looks in one folder, which must be writable even where everything is found in it. What is used
here is `Dispatcher._cache`, and `FunctionCache` and `CompileResultCacheImpl` of `numba.core.caching`. Where
these are not as they were tested, numba's own cache takes over, in the folder of this machine; what was made
ahead is not found then.

An entry is found by the function's place (module, name, first line), the digest of its file, its bytecode,
the types of its arguments, the processor that it was compiled for (LLVM's name and features), and the
versions of Python and numba; and all of it only in the folder of the kernel's present sources
(`kuntur.compiled.places`). Neither the path of an installation nor the times of files count.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import config, event

from kuntur.compiled import progress
from kuntur.compiled.places import chosen_places

_LOG = logging.getLogger(__name__)

try:
    from numba.core.caching import CompileResultCacheImpl, FunctionCache

    _known = hasattr(CompileResultCacheImpl, "_locator_classes") and hasattr(FunctionCache, "_impl_class")
except ImportError:
    _known = False


def is_known() -> bool:
    """Tells whether numba's cache is as it was tested."""
    return _known


def keep_compiled(function: Any) -> Any:
    """Returns a function of numba's, not called yet, with our places on disk instead of numba's."""
    progress.include(function)
    if _known and hasattr(function, "_cache"):
        function._cache = _Places(function.py_func)
    else:
        _keep_plainly(function)
    return function


def _keep_plainly(function: Any) -> None:
    """Has numba keep a function by itself; without a folder that can be written it is compiled each time."""
    folder = chosen_places().kept(create=True)
    if folder is not None:
        config.CACHE_DIR = str(folder)
        function.enable_caching()


class _Places:
    """What numba asks a cache for. What is damaged or cannot be written only costs the compiler's time."""

    def __init__(self, function: Any) -> None:
        self._function = function

    @property
    def cache_path(self) -> str | None:
        folder = chosen_places().kept(create=False)
        return None if folder is None else str(folder)

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Returns what was compiled for these types; None where nothing fits."""
        settled = chosen_places()
        for folder in dict.fromkeys((settled.ahead, settled.kept(create=False))):
            if folder is not None and (found := self._load(folder, signature, context)) is not None:
                return found
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Keeps what was compiled, where there is room for it."""
        folder = chosen_places().kept(create=True)
        if folder is None:
            return
        try:
            with _alone(folder):
                _cache_in(folder)(self._function).save_overload(signature, compiled)
        except OSError as error:
            _told_once(f"compiled functions are not kept: {error}")

    def enable(self) -> None:
        """Does nothing: it is always on."""

    def disable(self) -> None:
        """Does nothing: it is always on."""

    def flush(self) -> None:
        """Forgets what this machine compiled of the function."""
        folder = chosen_places().kept(create=False)
        if folder is not None:
            _cache_in(folder)(self._function).flush()

    def _load(self, folder: Path, signature: Any, context: Any) -> Any:
        try:
            return _cache_in(folder)(self._function).load_overload(signature, context)
        except Exception as error:  # a file that was cut off or is damaged: pickle raises whatever it likes
            _told_once(f"compiled functions in {folder} cannot be read and are compiled anew: {error!r}")
            return None


class _Locator:
    """Where numba finds the files of a function; made by `_cache_in` for each folder."""

    folder: Path

    def __init__(self, function: Any, file: str) -> None:
        self._line = function.__code__.co_firstlineno
        self._stamp = _digest(file)
        self._path = self.folder / str(function.__module__)

    @classmethod
    def from_function(cls, function: Any, file: str) -> _Locator:
        return cls(function, file)

    def ensure_cache_path(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._path)

    def get_source_stamp(self) -> str:
        return self._stamp

    def get_disambiguator(self) -> str:
        return str(self._line)


@cache
def _cache_in(folder: Path) -> Callable[[Any], Any]:
    """Returns numba's cache of functions with a folder for its place."""
    locator = type("Locator", (_Locator,), {"folder": folder})
    inner = type("Files", (CompileResultCacheImpl,), {"_locator_classes": [locator]})
    return type("Cache", (FunctionCache,), {"_impl_class": inner})


@cache
def _digest(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a folder against other processes that write to it: numba's index has no lock of its own."""
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _told_once(message: str) -> None:
    _LOG.warning(message)


class _Beginnings(event.Listener):  # type: ignore[misc]  # numba has no types
    def on_start(self, begun: Any) -> None:
        progress.begins(begun.data["dispatcher"])

    def on_end(self, ended: Any) -> None:
        pass


event.register("numba:compile", _Beginnings())
