"""A pretended device in the CPU's memory: it refuses what a GPU refuses, and computes what the CPU computes.

`install()` makes the device `elsewhere` known to torch. This cannot be undone, and processes forked afterwards cannot
train, so install it in a separate process. A GPU's own kernels and rounding, its streams and graphs, and anything that
depends on `is_cuda` are not imitated.
"""

from collections.abc import Callable
from typing import Any

import mmengine.runner.runner
import mmengine.structures.instance_data
import numpy as np
import torch
from torch import Tensor
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = 'elsewhere'
ATEN = torch.ops.aten

# The operators that may take tensors of both devices: those that copy, and those that accept an index on the CPU.
COPIES = ('copy_', '_copy_from', '_to_copy')
INDEXED = ('index', 'index_put_', 'index_put', '_index_put_impl_')
# Queries of shape and layout, which torch passes to a wrapper whose shape may change.
LAYOUT = {
    ATEN.dim.default: Tensor.dim,
    ATEN.sym_numel.default: Tensor.numel,
    ATEN.sym_size.default: Tensor.size,
    ATEN.sym_storage_offset.default: Tensor.storage_offset,
    ATEN.sym_stride.default: Tensor.stride,
    ATEN.is_contiguous.default: Tensor.is_contiguous,
    ATEN.is_contiguous.memory_format: lambda here, layout: here.is_contiguous(memory_format=layout),
}


class Elsewhere(Tensor):
    """A tensor on the device.

    Attributes:
        here: Its values, on the CPU.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __new__(cls, here: Tensor) -> 'Elsewhere':
        options = dict(strides=here.stride(), dtype=here.dtype, device=torch.device(NAME, 0))
        tensor = cls._make_wrapper_subclass(cls, here.shape, dispatch_sizes_strides_policy='sizes', **options)
        tensor.here = here.detach()
        return tensor

    @classmethod
    def __torch_dispatch__(cls, op: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        return run(op, *args, **(kwargs or {}))

    def __repr__(self) -> str:
        return f'elsewhere({self.here})'

    def __reduce_ex__(self, protocol: int) -> tuple:
        # A file holds only the values.
        return self.here.__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict) -> Tensor:
        twin = Elsewhere(self.here.clone())
        return torch.nn.Parameter(twin, self.requires_grad) if isinstance(self, torch.nn.Parameter) else twin

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_as_tensors(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        value = value if isinstance(value, Tensor) else torch.tensor(value, dtype=self.dtype)
        super().__setitem__(_as_tensors(index), value)

    def new_tensor(self, data: Any, dtype: torch.dtype | None = None, **_: Any) -> Tensor:
        return torch.tensor(data, dtype=dtype or self.dtype).to(NAME)

    def tolist(self) -> list:
        return self.here.tolist()


def run(op: Callable, *args: Any, **kwargs: Any) -> Any:
    """Run an operator of torch on the values, and put the results on the device.

    Raises:
        RuntimeError: The operator mixes tensors of both devices, or takes a generator of the CPU.
    """
    if op in LAYOUT:
        return LAYOUT[op](_here(args[0]), *args[1:])
    name = op._schema.name.removeprefix('aten::')
    _require_one_device(name, args, kwargs)
    tensors = {id(leaf.here): leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Elsewhere)}
    here, there = tree_map(_here, (args, kwargs))
    if name == '_copy_from':
        source, target = args[:2]
        _here(target).copy_(_here(source))
        return target
    if name == '_local_scalar_dense':
        return here[0].item()
    if name == 'convolution_overrideable':
        return Elsewhere(ATEN.convolution.default(*here, **there))
    if name == 'convolution_backward_overrideable':
        *tensors_of, stride, padding, dilation, transposed, output_padding, groups, mask = here
        options = (None, stride, padding, dilation, transposed, output_padding, groups, mask)
        return tree_map(_elsewhere, ATEN.convolution_backward.default(*tensors_of, *options))
    found = op(*here, **there)
    if name == '_to_copy' and torch.device(kwargs.get('device') or NAME).type == 'cpu':
        return found
    if not op._schema.is_mutable:
        return tree_map(_elsewhere, found)
    return tree_map(lambda leaf: tensors.get(id(leaf), _elsewhere(leaf)), found)


def install() -> None:
    """Make the device known to torch, and have mmengine train on it."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=Backend())
    libraries.append(torch.library.Library('_', 'IMPL'))
    libraries[-1].fallback(run, 'PrivateUse1')
    torch.tensor = _through_the_cpu(torch.tensor)
    torch.as_tensor = _through_the_cpu(torch.as_tensor)
    torch.load = _through_the_cpu(torch.load, 'map_location')
    mmengine.runner.runner.get_device = lambda: NAME
    # By default it has only the tensor types of the CPU and of some vendors' devices.
    mmengine.structures.instance_data.IndexType = str | slice | int | list | np.ndarray | Tensor


class Backend(backend_registration._DummyBackendModule):
    """The module that torch asks about the device."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]


libraries = []  # a registration lasts as long as its library object


def _require_one_device(name: str, args: tuple, kwargs: dict) -> None:
    leaves = tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    if any(isinstance(leaf, torch.Generator) and leaf.device.type == 'cpu' for leaf in leaves):
        raise RuntimeError(f'{name} on the device {NAME!r} takes a generator of the CPU.')
    if name in COPIES or (name in INDEXED and isinstance(args[0], Elsewhere)):
        return
    # A tensor without dimensions may be on the CPU.
    if stray := [tuple(tensor.shape) for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.ndim]:
        raise RuntimeError(f'{name} takes tensors of the device {NAME!r}, and of the CPU: {stray}')


def _here(leaf: Any) -> Any:
    if isinstance(leaf, torch.device) and leaf.type == NAME:
        return torch.device('cpu')
    return leaf.here if isinstance(leaf, Elsewhere) else leaf


def _elsewhere(leaf: Any) -> Any:
    return Elsewhere(leaf) if isinstance(leaf, Tensor) and not isinstance(leaf, Elsewhere) else leaf


def _as_tensors(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(_as_tensors, index))
    return torch.tensor(index) if isinstance(index, (list, range, np.ndarray)) else index


def _through_the_cpu(make: Callable, place: str = 'device') -> Callable:
    """Wrap a function that cannot create tensors on the device: it creates them on the CPU, and they are moved."""

    def made(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(kwargs.get(place), (str, torch.device)) or torch.device(kwargs[place]).type != NAME:
            return make(*args, **kwargs)
        found = make(*args, **kwargs | {place: 'cpu'})
        return tree_map(lambda leaf: leaf.to(NAME) if isinstance(leaf, Tensor) else leaf, found)

    return made
