"""A teacher's config, found from its setting, and the weights and class names that the config gives."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy

import torch
from mmengine import hub
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from luminet_det.config import find
from luminet_det.dataset_config import class_names, common_classes

WEIGHTS = ('.pth', '.pt', '.ckpt', '.safetensors', '.bin')


def resolve(setting: str | dict) -> Config | ConfigDict:
    """The config for a zoo name, a path or a model dict; `model_path` in it are the zoo's weights, if it has any.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The config has no model, or the file is a checkpoint.
    """
    if not isinstance(setting, str):
        if 'type' not in setting and 'model' in setting:
            raise ValueError('teacher.config is a whole config; give its model: teacher=dict(config=cfg.model, ...).')
        return ConfigDict(model=ConfigDict(setting))
    if setting.endswith(WEIGHTS):
        raise ValueError(
            f'The teacher {setting} is a checkpoint, but its config is needed as well. Write '
            f"teacher=dict(config='<its config>.py', checkpoint={setting!r})."
        )
    path = find(setting, by_config=True)
    package, separator, _ = setting.partition('::')
    if separator:
        name = path.as_posix().rpartition('/.mim/configs/')[2]
        # A zoo may have no index, or its index no weights for this config.
        with suppress(AssertionError, FileNotFoundError):
            return hub.get_config(f'{package}::{name}', pretrained=True)
    config = Config.fromfile(path)
    if 'model' not in config:
        raise ValueError(f'The config {setting} has no `model`; use the config of a whole detector or classifier.')
    return config


@contextmanager
def apart(config: Config | ConfigDict) -> Iterator[None]:
    """The context for building a model: in the scope of its config, and with the random state restored afterwards."""
    scope = DefaultScope.overwrite_default_scope(config.get('default_scope') or 'mmdet')
    with torch.random.fork_rng(devices=[]), scope:
        yield


def build_model(config: Config | ConfigDict) -> nn.Module:
    """The model of a config with random weights, and with the config's top-level `data_preprocessor` if it has none."""
    model = deepcopy(config.model)
    if 'data_preprocessor' in config:
        model.setdefault('data_preprocessor', config.data_preprocessor)
    return MODELS.build(model)


def weights_of(config: Config | ConfigDict) -> str | None:
    """Path or URL of the config's weights: the zoo's, else those that its model is initialised from."""
    initial = config.model.get('init_cfg') or ()
    settings = initial if isinstance(initial, (list, tuple)) else [initial]
    pretrained = (each.get('checkpoint') for each in settings if each.get('type') == 'Pretrained')
    return config.get('model_path') or next(pretrained, None)


def names_of_classes(checkpoint: dict, config: Config | ConfigDict) -> tuple[str, ...] | None:
    """Class names from the checkpoint (as mm 3.x, its release candidates and 2.x wrote them), else the config."""
    meta = checkpoint.get('meta') or {}
    data = meta.get('dataset_meta') or {}
    if isinstance(data, (list, tuple)):
        data = dict(classes=common_classes(data))
    names = data.get('classes') or data.get('CLASSES') or meta.get('CLASSES')
    dataset = (config.get('train_dataloader') or {}).get('dataset')
    while not names and dataset:
        names = class_names(dataset)
        dataset = dataset.get('dataset') or (dataset.get('datasets') or [None])[0]
    return ((names,) if isinstance(names, str) else tuple(names)) if names else None
