"""ONNX Runtime through its C API: a model's inference without releasing the interpreter's lock.

The Python binding releases the lock for every run. For a lone transaction the hand-over between threads
costs more than the inference itself (docs/performance.md), so few rows are run under the lock, in one
compiled call that reaches the runtime by the address of its function; many rows are run without it. The call
itself is cheaper, too: with 200 trees of depth 6 one row takes 9.6 µs of processor time instead of 15.8,
four take 13.5 instead of 19.8, sixteen and more as long as by the binding. Where there is no C API the
binding runs the model (`server.models.inference`).

The C API only ever grows: functions keep their places in its table (`OrtApi` in onnxruntime_c_api.h).
Checking what a model takes and returns is left to the loader.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from llvmlite import ir
from numba import typeof, types
from numba.extending import intrinsic

from kuntur.compiled.native import native

_API_VERSION = 17  # what is used below is older; a runtime has every version up to its own
# Places in the table of functions.
_GET_ERROR_MESSAGE, _CREATE_ENV, _CREATE_SESSION_FROM_ARRAY, _RUN, _CREATE_OPTIONS = 2, 3, 8, 9, 10
_DISABLE_PATTERN, _DISABLE_ARENA, _SET_INTRA, _SET_INTER = 17, 19, 24, 25
_CREATE_TENSOR, _CREATE_MEMORY_INFO = 49, 69
_RELEASE_STATUS, _RELEASE_SESSION, _RELEASE_VALUE, _RELEASE_OPTIONS = 93, 95, 96, 100
_FATAL, _ARENA_ALLOCATOR, _DEFAULT_MEMORY, _FLOAT = 4, 1, 0, 1

_P = ctypes.c_void_p


class InferenceError(Exception):
    """ONNX Runtime refused a model or a run; the message is its own."""


class _Api:
    """The functions that are used, bound once for the process, and the environment that sessions share."""

    def __init__(self) -> None:
        """Raises OSError or AttributeError where the runtime ships no library with a C API."""
        paths = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))
        if not paths:
            raise OSError("this build of ONNX Runtime ships no libonnxruntime.so")
        get_base = ctypes.CDLL(str(paths[0])).OrtGetApiBase
        get_base.restype = ctypes.POINTER(_P)
        table = ctypes.CFUNCTYPE(_P, ctypes.c_uint32)(get_base()[0])(_API_VERSION)
        if not table:
            raise OSError(f"this build of ONNX Runtime has no C API of version {_API_VERSION}")
        self._functions = ctypes.cast(table, ctypes.POINTER(_P))
        self._message = ctypes.CFUNCTYPE(ctypes.c_char_p, _P)(self._functions[_GET_ERROR_MESSAGE])
        self._release_status = self._releasing(_RELEASE_STATUS)
        self.run_address = int(self._functions[_RUN])
        size, text, number = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
        self.run = self._function(_RUN, _P, _P, _P, _P, size, _P, size, _P)
        self._create_tensor = self._function(_CREATE_TENSOR, _P, _P, size, _P, size, number, _P)
        self._create_session = self._function(_CREATE_SESSION_FROM_ARRAY, _P, text, size, _P, _P)
        self.release_session = self._releasing(_RELEASE_SESSION)
        self.release_value = self._releasing(_RELEASE_VALUE)
        self._release_options = self._releasing(_RELEASE_OPTIONS)
        self._env, self._memory = _P(), _P()
        self.check(self._function(_CREATE_ENV, number, text, _P)(_FATAL, b"kuntur", ctypes.byref(self._env)))
        create_memory_info = self._function(_CREATE_MEMORY_INFO, number, number, _P)
        self.check(create_memory_info(_ARENA_ALLOCATOR, _DEFAULT_MEMORY, ctypes.byref(self._memory)))

    def check(self, status: int | None) -> None:
        """Raises InferenceError for a status that is not the null pointer, and frees it."""
        if status:
            message = (self._message(status) or b"").decode(errors="replace")
            self._release_status(status)
            raise InferenceError(message)

    def open_session(self, model: bytes) -> int:
        """Opens a model on one thread, without arena and memory pattern; returns the session's address."""
        options, session = _P(), _P()
        self.check(self._function(_CREATE_OPTIONS, _P)(ctypes.byref(options)))
        try:
            for place in (_SET_INTRA, _SET_INTER):
                self.check(self._function(place, _P, ctypes.c_int)(options, 1))
            # An arena keeps what it ever took, so that memory would grow with each swap of models.
            for place in (_DISABLE_ARENA, _DISABLE_PATTERN):
                self.check(self._function(place, _P)(options))
            self.check(self._create_session(self._env, model, len(model), options, ctypes.byref(session)))
        finally:
            self._release_options(options)
        return int(session.value or 0)

    def tensor(self, values: npt.NDArray[np.float32]) -> int:
        """Makes a value over an array's own memory, which must outlive it; returns the value's address."""
        shape, value = (ctypes.c_int64 * values.ndim)(*values.shape), _P()
        self.check(
            self._create_tensor(
                self._memory,
                values.ctypes.data,
                values.nbytes,
                shape,
                values.ndim,
                _FLOAT,
                ctypes.byref(value),
            )
        )
        return int(value.value or 0)

    def _function(self, place: int, *arguments: Any) -> Any:
        return ctypes.CFUNCTYPE(_P, *arguments)(self._functions[place])

    def _releasing(self, place: int) -> Any:
        return ctypes.CFUNCTYPE(None, _P)(self._functions[place])


@cache
def api() -> _Api:
    """Returns the C API. Raises OSError or AttributeError where there is none."""
    return _Api()


@intrinsic
def _call_run(typing_context, address, session, names, values, out_names, out_values):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Calls OrtApi.Run with one input and one output; returns the status, 0 when all is well."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        word, pointer = ir.IntType(64), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(word, [pointer] * 4 + [word, pointer, word, pointer])
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        session, names, values, out_names, out_values = (
            builder.inttoptr(argument, pointer) for argument in arguments[1:]
        )
        one, null = ir.Constant(word, 1), ir.Constant(pointer, None)
        return builder.call(function, [session, null, names, values, one, out_names, one, out_values])

    return types.int64(address, session, names, values, out_names, out_values), generate


@native
def _run_few(calls, features, given, found, probability):  # type: ignore[no-untyped-def]
    """Runs a model on `given`, which the features are copied to, and copies its answer from `found`.

    Nothing else runs between the copies, as the lock is held: one pair of buffers serves all threads.
    """
    rows, width = features.shape
    for row in range(rows):
        for column in range(width):
            given[row, column] = features[row, column]
    call = calls[rows - 1]
    status = _call_run(call[0], call[1], call[2], call[3], call[4], call[5])
    for row in range(rows):
        probability[row] = found[row]
    return status


def compile_run() -> None:
    """Compiles the run of few rows without running it, which takes a model."""
    calls, features, found = np.empty((1, 6), np.int64), np.empty((1, 1), np.float32), np.empty(1, np.float32)
    _run_few.compile(tuple(typeof(argument) for argument in (calls, features, features, found, found)))


class CInference:
    """Runs one output of a model. Safe for threads; the session is freed with it."""

    def __init__(self, model: bytes, *, given: str, found: str, width: int, rows_under_lock: int) -> None:
        """Opens a model of one input, float32 [n, width], and an output, float32 [n]; by their names.

        rows_under_lock: up to this many rows are run without releasing the interpreter's lock. Raises
        InferenceError, or OSError and AttributeError where the runtime ships no C API.
        """
        self._api, self._width, self._limit = api(), width, rows_under_lock
        self._session = self._api.open_session(model)
        self._names = ((ctypes.c_char_p * 1)(given.encode()), (ctypes.c_char_p * 1)(found.encode()))
        self._given = np.zeros((rows_under_lock, width), dtype=np.float32)
        self._found = np.zeros(rows_under_lock, dtype=np.float32)
        # For each number of rows: values over the first rows of the buffers, and what Run is called with.
        self._values = np.array(
            [
                [self._api.tensor(buffer[:rows]) for buffer in (self._given, self._found)]
                for rows in range(1, rows_under_lock + 1)
            ],
            dtype=np.int64,
        ).reshape(rows_under_lock, 2)
        self._calls = np.empty((rows_under_lock, 6), dtype=np.int64)
        self._calls[:, :2] = self._api.run_address, self._session
        self._calls[:, 2::2] = [ctypes.addressof(name) for name in self._names]
        first = self._values.ctypes.data
        self._calls[:, 3] = first + self._values.strides[0] * np.arange(rows_under_lock)
        self._calls[:, 5] = self._calls[:, 3] + self._values.strides[1]
        freed = weakref.finalize(self, _free, self._values.ravel().tolist(), self._session)
        freed.atexit = False  # calls may still be running then

    def __call__(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Returns float32 [n] for features, float32 [n, width]. Raises InferenceError, ValueError."""
        rows = len(features)
        if features.shape != (rows, self._width) or rows == 0:
            raise ValueError(f"features are {features.shape}, not [n, {self._width}]")
        if not (features.flags.c_contiguous and features.dtype == np.float32):
            features = np.ascontiguousarray(features, dtype=np.float32)
        probability = np.empty(rows, dtype=np.float32)
        if rows <= self._limit:
            self._api.check(_run_few(self._calls, features, self._given, self._found, probability))
            return probability
        values: list[int] = []
        try:
            values += [self._api.tensor(features), self._api.tensor(probability)]
            given, found = ((_P * 1)(value) for value in values)
            names = self._names
            self._api.check(self._api.run(self._session, None, names[0], given, 1, names[1], 1, found))
        finally:
            _free(values, None)
        return probability


def _free(values: list[int], session: int | None) -> None:
    for value in values:
        api().release_value(value)
    if session is not None:
        api().release_session(session)
