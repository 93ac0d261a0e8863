"""The `luminet_det` scope: `type='luminet_det.X'` in a config is enough to import the package."""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

from luminet_det import losses

LOCATIONS = ['luminet_det.backbones', 'luminet_det.classification', 'luminet_det.detection']
DATA = ['luminet_det.classification']
MODELS = Registry('model', parent=MMENGINE_MODELS, scope='luminet_det', locations=LOCATIONS)
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope='luminet_det', locations=DATA)
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='luminet_det', locations=DATA)
FUNCTIONS = Registry('function', parent=MMENGINE_FUNCTIONS, scope='luminet_det', locations=DATA)
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope='luminet_det', locations=DATA)
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='luminet_det', locations=['luminet_det.hooks'])

# The losses import only torch and torchvision, so they are registered here.
for name in losses.__all__:
    if name.endswith('Loss'):
        MODELS.register_module(module=getattr(losses, name))
