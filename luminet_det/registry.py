"""The `luminet_det` scope: `type='luminet_det.X'` in a config imports the package by itself.

Losses import torch only and know no registry, so they are registered here.
"""

from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import Registry

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope='luminet_det',
    locations=['luminet_det.losses', 'luminet_det.detection'],
)
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='luminet_det', locations=['luminet_det.hooks'])
