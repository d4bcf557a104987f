"""An explanation as the bytes of a file, `explanation.npz` in a bundle, and back.

Arrays in NumPy's archive, without objects and without compression: reading runs nothing and takes no more
memory than the file. The same explanation gives the same bytes.
"""

from __future__ import annotations

import zipfile
from dataclasses import fields
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from kuntur.files.arrays import load_array
from kuntur.reasons.explanation import Explanation, ExplanationError
from kuntur.reasons.linear import LinearExplanation
from kuntur.reasons.trees import TreeExplanation, Trees

FORMAT_VERSION = 1
_ENTRY = b"PK\x01\x02"  # what each entry of an archive's directory begins with
_MAX_ENTRIES = 64
_KINDS: dict[type[Explanation], int] = {TreeExplanation: 1, LinearExplanation: 2}
_TREE_TYPES: dict[str, Any] = {
    "starts": np.int64, "right": np.int32, "column": np.int32, "threshold": np.float32,
    "unset_left": np.bool_, "cover": np.float64, "value": np.float64,
}  # fmt: skip


def write_explanation(explanation: Explanation) -> bytes:
    """Returns the bytes of the file."""
    file = BytesIO()
    np.savez(
        file,
        allow_pickle=False,
        format_version=np.int64(FORMAT_VERSION),
        kind=np.int64(_KINDS[type(explanation)]),
        columns=np.int64(explanation.columns),
        base=np.float64(explanation.base),
        scale=np.float64(explanation.scale),
        **explanation.arrays(),
    )
    return file.getvalue()


def read_explanation(content: bytes, columns: int) -> Explanation:
    """Reads a file and checks it: types, shapes, ranges, that trees are trees.

    columns: inputs of the model it is for. Raises ExplanationError.
    """
    arrays = _read(content)
    version = _number(arrays, "format_version", np.int64)
    if version != FORMAT_VERSION:
        raise ExplanationError(f"is of version {version:g}, not {FORMAT_VERSION}")
    given = _number(arrays, "columns", np.int64)
    if given != columns:
        raise ExplanationError(f"explains {given:g} features, the model has {columns}")
    kind, scale = _number(arrays, "kind", np.int64), _number(arrays, "scale", np.float64)
    base = _number(arrays, "base", np.float64)
    explanation: Explanation
    if kind == _KINDS[TreeExplanation]:
        trees = Trees(**{f.name: _array(arrays, f.name, _TREE_TYPES[f.name]) for f in fields(Trees)})
        explanation = TreeExplanation(trees, columns, _number(arrays, "offset", np.float64), scale)
        if not abs(explanation.base - base) <= 1e-9 * max(1.0, abs(base)):
            raise ExplanationError(f"states the base {base:.9g}, its trees give {explanation.base:.9g}")
    elif kind == _KINDS[LinearExplanation]:
        centre, weights = _array(arrays, "centre", np.float64), _array(arrays, "weights", np.float64)
        explanation = LinearExplanation(centre, weights, base, scale)
    else:
        raise ExplanationError(f"is of an unknown kind, {kind:g}")
    if explanation.columns != columns:
        raise ExplanationError(f"has data for {explanation.columns} features, the model has {columns}")
    return explanation


def _read(content: bytes) -> dict[str, npt.NDArray[Any]]:
    # Before the archive is read: each of its entries becomes an object of ten times its size.
    if content.count(_ENTRY) > _MAX_ENTRIES:
        raise ExplanationError(f"holds more than {_MAX_ENTRIES} arrays")
    try:
        archive = zipfile.ZipFile(BytesIO(content))
        entries = archive.infolist()
    except Exception as error:  # zipfile raises many kinds for bytes that are not an archive
        raise ExplanationError(f"is not an archive: {error}") from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ExplanationError("is compressed")  # a small file could unfold to fill the memory
    if sum(entry.file_size for entry in entries) > len(content):
        raise ExplanationError("holds more than its own size")  # entries that lie on one another, the same
    try:
        return {
            entry.filename.removesuffix(".npy"): load_array(archive.read(entry)).copy() for entry in entries
        }
    except Exception as error:  # zipfile again, for entries that are not as the archive says
        raise ExplanationError(f"does not hold arrays: {error}") from error


def _array(
    arrays: dict[str, npt.NDArray[Any]], name: str, dtype: Any, dimensions: int = 1
) -> npt.NDArray[Any]:
    array = arrays.get(name)
    if array is None:
        raise ExplanationError(f"lacks {name}")
    if array.dtype != dtype or array.ndim != dimensions:
        raise ExplanationError(f"{name} is {array.dtype} of {array.ndim} dimensions")
    return np.ascontiguousarray(array)


def _number(arrays: dict[str, npt.NDArray[Any]], name: str, dtype: Any) -> float:
    return float(_array(arrays, name, dtype, 0).reshape(()))
