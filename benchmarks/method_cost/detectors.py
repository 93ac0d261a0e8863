"""Steps of every method of configs/quickstart, on the digits' pair of Faster R-CNNs."""

import tempfile
from copy import deepcopy
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmdet.utils import register_all_modules
from mmengine.config import Config

from benchmarks.method_cost.step import Step

CONFIGS = Path(__file__).parents[2] / 'configs' / 'quickstart'
IMAGES, SIZE = 8, 128
# Changes to a method's config, under a new name.
VARIANTS = {
    'fgfi_standardized_luminet': (
        'fgfi_luminet',
        {'model.distill.0.loss.standardize': True, 'model.distill.0.loss.loss_weight': 2.5},
    )
}


def configs() -> dict[str, Path]:
    """The config of each method, by the method's name."""
    return {path.stem.removesuffix('_student'): path for path in sorted(CONFIGS.glob('*_student.py'))}


def steps(device: torch.device, batch_size: int) -> dict[str, Step]:
    """A step of each method on 8 random images of 128 px; `batch_size` is that of the classifiers."""
    register_all_modules(init_default_scope=True)
    teacher = Config.fromfile(CONFIGS / 'teacher.py').model
    packed = demo_mm_inputs(IMAGES, [[3, SIZE, SIZE]] * IMAGES, num_items=[4] * IMAGES, num_classes=10)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / 'teacher.pth'
        names = [str(i) for i in range(10)]
        torch.save(
            dict(state_dict=MODELS.build(teacher).state_dict(), meta=dict(dataset_meta=dict(classes=names))), weights
        )
        read = {name: Config.fromfile(path) for name, path in configs().items()}
        for name, (method, changes) in VARIANTS.items():
            read[name] = deepcopy(read[method])
            read[name].merge_from_dict(changes)
        return {name: _step(cfg, teacher, weights, packed, device) for name, cfg in read.items()}


def _step(cfg: Config, teacher: dict, weights: Path, packed: dict, device: torch.device) -> Step:
    if cfg.model.teacher.get('trainable'):
        cfg.model.teacher.config = teacher
    else:
        cfg.model.teacher |= dict(config=teacher, checkpoint=str(weights))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device)

    def batch() -> dict:
        # The same RoIs are sampled each time.
        torch.manual_seed(0)
        return deepcopy(packed)

    step = Step(model, batch)
    step()
    return step
