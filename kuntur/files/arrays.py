"""Arrays out of the bytes of a .npy file that anybody may have written: nothing is run, no memory taken."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt


def load_array(content: bytes) -> npt.NDArray[Any]:
    """Returns the array in the bytes of a .npy file, of whatever type and shape; the caller looks at both.

    It lies in the bytes themselves and cannot be written to. Raises ValueError.
    """
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(file)
    except ValueError:
        raise
    except Exception as error:  # its header is read as Python's literals, which may be nested or odd
        raise ValueError("has a header that cannot be read") from error
    if dtype.kind not in "biuf":
        raise ValueError("is not an array of plain numbers")
    if fortran and len(shape) > 1:
        raise ValueError("is not in C order")
    data = memoryview(content)[file.tell() :]
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("has another size than its header says")
    if not data:
        return np.zeros(_empty(shape), dtype)
    return np.frombuffer(data, dtype).reshape(shape)


def _empty(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the shape of an array without elements. Raises ValueError for one that NumPy could not hold."""
    if max(shape, default=0) > np.iinfo(np.int32).max:
        raise ValueError("has another size than its header says")
    return shape
