"""One floating dtype for the tensors of one op."""

import torch
from torch import Tensor


def widened(*tensors: Tensor) -> list[Tensor]:
    """The tensors in one dtype, float32 at least and float64 if any of them is.

    torchvision has no bfloat16 kernels and no half NMS on CPU, and under AMP features and RoIs may arrive in
    different dtypes. Results go back to the caller's dtype when they are copied into its buffers.
    """
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return [tensor.to(dtype) for tensor in tensors]
