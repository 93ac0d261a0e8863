"""Safe stand-ins for what an mm checkpoint holds besides tensors.

mmengine pickles its loss histories as numpy arrays, and the names of their statistics through `getattr`. The
usual advice is to allow those globals for `torch.load` as they are, which makes loading unsafe again: `getattr`
reaches any attribute, and `numpy.dtype` takes a state from the file that makes an array's bytes count as
object pointers. So the real ones are never allowed; their names in a file lead to the stand-ins defined below.
"""

import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer


class Dtype:
    """Stands for `numpy.dtype` while a file is read: a plain number, bool or string type, nothing nested."""

    def __init__(self, spec: str = '', align: bool = False, copy: bool = False) -> None:
        if re.fullmatch(r'[?biufcSU]\d*', str(spec)) is None:
            raise pickle.UnpicklingError(f'GLOBAL numpy.dtype({spec!r}) is not a plain number or string type')
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: tuple) -> None:
        # (version, byte order, ...): the rest describes nested types, and those were refused above.
        self.dtype = self.dtype.newbyteorder(state[1])


class Array(np.ndarray):
    """An array that takes its shape and bytes from a file, and its type only from `Dtype`."""

    def __new__(cls) -> 'Array':
        return np.ndarray.__new__(cls, (0,), 'u1')

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        checked = np.frombuffer(data, dtype.dtype).reshape(shape)  # raises if shape, type and bytes disagree
        super().__setstate__((1, checked.shape, checked.dtype, bool(fortran), data))

    def __reduce_ex__(self, protocol: int) -> tuple:
        # It is saved as a plain numpy array, so that reading the new file does not need luminet_det.
        return self.view(np.ndarray).__reduce_ex__(protocol)


class History(HistoryBuffer):
    """Becomes a `HistoryBuffer` with the file's numbers and mmengine's own statistics."""

    def __setstate__(self, state: dict) -> None:
        self.__class__ = HistoryBuffer
        HistoryBuffer.__init__(self, state['_log_history'], state['_count_history'], state['max_length'])


def empty_array(*_: Any) -> Array:
    """Stands for numpy's `_reconstruct(type, shape, code)`; `Array.__setstate__` fills what it returns."""
    return Array()


def scalar(dtype: Dtype, data: bytes) -> np.generic:
    """Stands for numpy's `scalar(dtype, data)`."""
    return np.frombuffer(data, dtype.dtype, count=1)[0]


def statistic(owner: Any, name: str) -> str:
    """Stands for `getattr`, which mmengine needs for one thing only: the statistics of a loss history."""
    if owner is not History or name not in ('min', 'max', 'mean', 'current'):
        raise pickle.UnpicklingError(f'GLOBAL builtins.getattr of {owner!r} was not an allowed global')
    return name


def plain_dict(items: Mapping | tuple = ()) -> dict:
    """Stands for mmengine's `ConfigDict`."""
    return dict(items)


def _named(target: Callable, path: str) -> Callable:
    """A function that does what `target` does and is found under `path` in a pickle."""

    def stand_in(*args: Any) -> Any:
        return target(*args)

    # Older versions of torch take no (object, name) pairs; all versions read these attributes.
    stand_in.__module__, _, stand_in.__name__ = path.rpartition('.')
    stand_in.__qualname__ = stand_in.__name__
    return stand_in


STAND_INS = {
    'builtins.getattr': statistic,
    '__builtin__.getattr': statistic,
    'numpy.ndarray': empty_array,
    'numpy.dtype': Dtype,
    'numpy.core.multiarray._reconstruct': empty_array,  # numpy 1.x
    'numpy._core.multiarray._reconstruct': empty_array,  # numpy 2.x
    'numpy.core.multiarray.scalar': scalar,
    'numpy._core.multiarray.scalar': scalar,
    'mmengine.config.config.ConfigDict': plain_dict,
}


def register() -> None:
    """Make `torch.load(path, weights_only=True)` read what mmengine's Runner saves."""
    History.__module__, History.__name__, History.__qualname__ = (
        HistoryBuffer.__module__,
        HistoryBuffer.__name__,
        HistoryBuffer.__qualname__,
    )
    named = [_named(target, path) for path, target in STAND_INS.items()]
    torch.serialization.add_safe_globals([Dtype, Array, History, *named])
