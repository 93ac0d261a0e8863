"""The weights that timm publishes, or a file of them, read for a network that only gives features."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from luminet_det.compat import checkpoints


def pretrained_weights(create: Callable[..., nn.Module], source: bool | str) -> dict[str, Tensor]:
    """The `state_dict` of a pretrained network.

    The random state is left as it was.

    Args:
        create: Gives the network; takes `pretrained` and `pretrained_cfg_overlay` of `timm.create_model`.
        source: True for what timm publishes, or the path of a `.safetensors` or `.pth` file of it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The weights cannot be had or do not fit, or some that the network needs are missing.
    """
    weights = dict(pretrained_cfg_overlay=dict(state_dict=_read(source))) if isinstance(source, str) else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        blank = create()
        torch.manual_seed(0)
        try:
            network = create(pretrained=True, **weights)
        except (KeyError, OSError, RuntimeError) as error:
            advice = 'Give the file of this model_name' if weights else 'Without a network, give the path of a file'
            raise ValueError(f'pretrained={source!r} cannot be loaded. {advice}. The error was: {error}') from error
    # timm does not ask whether all weights were there, so what is still as random as before was not.
    same = {
        name: torch.equal(before, after)
        for (name, before), after in zip(blank.named_parameters(), network.parameters(), strict=True)
        if before.ndim > 1 and before.std() > 0
    }
    if missing := [name for name, is_same in same.items() if is_same]:
        raise ValueError(
            f'pretrained={source!r} lacks {len(missing)} of {len(same)} weights that the network needs, '
            f'e.g. {missing[0]}; give the file of this model_name.'
        )
    return network.state_dict()


def _read(path: str) -> dict[str, Tensor]:
    if Path(path).suffix == '.safetensors':
        from safetensors.torch import load_file

        return load_file(path)
    content = checkpoints.load(path)
    return content.get('state_dict') or content.get('model') or content
