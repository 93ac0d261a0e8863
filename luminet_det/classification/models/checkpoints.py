"""Weights of a network out of the files that our runs, mdistiller, RepDistiller, torchvision and timm leave."""

import re
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

# Under one of these keys a file keeps its weights, where it holds more than them.
CONTAINERS = ('state_dict', 'model', 'model_state_dict', 'net')


def own_weights(network: nn.Module, checkpoint: dict, prefix: str = '') -> dict[str, Tensor]:
    """A checkpoint's weights under the names that `network` has for them; nothing is dropped.

    Known are checkpoints of `Classifier` (`{'state_dict': {'network.fc.weight': ...}}`), bare state dicts, those of
    mdistiller and RepDistiller (`{'model': ...}`), and those of torchvision and timm. The prefixes `module.`, which
    `DataParallel` adds, and `_orig_mod.`, which `torch.compile` does, go. Other repositories' names are translated
    by the network's `key_map`: pairs of a regular expression and its replacement, applied in turn.

    Args:
        network: The network that is to load them.
        checkpoint: What the file holds.
        prefix: Put before every name, for a model that holds the network under it.

    Returns:
        For `luminet_det.distillation.weights.load_strictly`, which compares names and shapes. Names that make
        no sense to the network come back unchanged, for it to complain of.
    """
    state = next((checkpoint[key] for key in CONTAINERS if isinstance(checkpoint.get(key), Mapping)), checkpoint)
    plain = _renamed(state, ((r'^((module|_orig_mod)\.)+', ''),))
    own = network.state_dict().keys()
    candidates = [plain, _renamed(plain, ((r'^network\.', ''),)), _renamed(plain, getattr(network, 'key_map', ()))]
    # The first of the best, so that names are changed only where that helps. Fewer names: two have become one.
    whole = [candidate for candidate in candidates if len(candidate) == len(plain)]
    best = max(whole, key=lambda candidate: len(own & candidate.keys()))
    return _renamed(best, (('^', prefix),)) if own & best.keys() else plain


def _renamed(state: Mapping[str, Tensor], key_map: tuple[tuple[str, str], ...]) -> OrderedDict[str, Tensor]:
    def rename(key: str) -> str:
        for pattern, replacement in key_map:
            key = re.sub(pattern, replacement, key)
        return key

    renamed = OrderedDict((rename(key), value) for key, value in state.items())
    # The versions of modules, by which some convert older layouts on loading, lie under names without a last dot.
    versions = getattr(state, '_metadata', {})
    renamed._metadata = OrderedDict(
        (rename(f'{key}.' if key else '').removesuffix('.'), value) for key, value in versions.items()
    )
    return renamed
