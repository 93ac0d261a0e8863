"""Reading a network's weights from checkpoints of our runs, mdistiller, RepDistiller, torchvision and timm."""

import re
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

# A file that holds more than weights has them under one of these keys.
CONTAINERS = ('state_dict', 'model', 'model_state_dict', 'net')


def own_weights(network: nn.Module, checkpoint: dict, prefix: str = '') -> dict[str, Tensor]:
    """A checkpoint's weights under the names that `network` has for them; none is removed.

    Supported are checkpoints of `Classifier` (`{'state_dict': {'network.fc.weight': ...}}`), bare state dicts, those of
    mdistiller and RepDistiller (`{'model': ...}`), and those of torchvision and timm. The prefixes `module.`, which
    `DataParallel` adds, and `_orig_mod.`, which `torch.compile` adds, are removed. Other repositories' names are
    translated by the network's `key_map`: pairs of a regular expression and its replacement, applied in turn.

    Args:
        network: The network that will load them.
        checkpoint: The content of the file.
        prefix: Put before every name, for a model that has the network under this prefix.

    Returns:
        Weights for `luminet_det.distillation.weights.load_strictly`, which compares names and shapes. If none of the
        names fits the network, only `module.` and `_orig_mod.` are removed, and `load_strictly` reports the rest.
    """
    state = next((checkpoint[key] for key in CONTAINERS if isinstance(checkpoint.get(key), Mapping)), checkpoint)
    plain = _renamed(state, ((r'^((module|_orig_mod)\.)+', ''),))
    own = network.state_dict().keys()
    candidates = [plain, _renamed(plain, ((r'^network\.', ''),)), _renamed(plain, getattr(network, 'key_map', ()))]
    # On a tie the first one wins, so names change only where that helps. Fewer names: two have become one.
    whole = [candidate for candidate in candidates if len(candidate) == len(plain)]
    best = max(whole, key=lambda candidate: len(own & candidate.keys()))
    return _renamed(best, (('^', prefix),)) if own & best.keys() else plain


def _renamed(state: Mapping[str, Tensor], key_map: tuple[tuple[str, str], ...]) -> OrderedDict[str, Tensor]:
    def rename(key: str) -> str:
        for pattern, replacement in key_map:
            key = re.sub(pattern, replacement, key)
        return key

    renamed = OrderedDict((rename(key), value) for key, value in state.items())
    # Module versions, by which some modules convert older layouts on loading, have keys without a trailing dot.
    versions = getattr(state, '_metadata', {})
    renamed._metadata = OrderedDict(
        (rename(f'{key}.' if key else '').removesuffix('.'), value) for key, value in versions.items()
    )
    return renamed
