"""Steps of every method of configs/cifar100 for resnet8x4 <- resnet32x4, and of two methods together."""

import tempfile
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.registry import MODELS

from benchmarks.classifier_shootout.settings import AND, TOGETHER, together
from benchmarks.method_cost.step import Step

CONFIGS = Path(__file__).parents[2] / 'configs' / 'cifar100'
PAIR = 'resnet8x4-resnet32x4'
IMAGES = 50_000


def configs() -> dict[str, Config]:
    """The config of each method, by the method's name: those of the dataset's folder and of the folders below it."""
    found = [*CONFIGS.glob(f'*_{PAIR}.py'), *CONFIGS.glob(f'*/*_{PAIR}.py')]
    by_name = {path.stem.removesuffix(f'_{PAIR}'): path for path in sorted(found)}
    # A step with an assistant is one of KD.
    paths = {
        name: path for name, path in by_name.items() if path.parent in (CONFIGS, CONFIGS / name) and name != 'takd'
    }
    groups = {name: [name] for name in paths} | {name: name.split(AND) for name in TOGETHER}
    return {name: together(*(Config.fromfile(paths[part]) for part in parts)) for name, parts in groups.items()}


def steps(device: torch.device, batch_size: int) -> dict[str, Step]:
    """A step of each method, on random images."""
    hub = MessageHub.get_instance('method_cost')
    # What the Runner and TrainingLabelsHook provide.
    hub.update_info('loop_stage', 'train')
    hub.update_info('training_labels', torch.arange(IMAGES) % 100, resumed=False)
    teacher = Config.fromfile(CONFIGS / 'resnet32x4.py').model
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / 'teacher.pth'
        torch.save(dict(state_dict=MODELS.build(teacher).state_dict()), weights)
        return {name: _step(config, teacher, weights, device, batch_size) for name, config in configs().items()}


def _step(cfg: Config, teacher: dict, weights: Path, device: torch.device, batch_size: int) -> Step:
    if cfg.model.teacher.get('trainable'):
        cfg.model.teacher.config = teacher
    else:
        cfg.model.teacher |= dict(config=teacher, checkpoint=str(weights))
    views = cfg.train_dataloader.dataset.transforms
    number = len(views) if isinstance(views[0], list) else 1
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).to(device)
    inputs = torch.randint(256, (number * batch_size, 3, 32, 32), dtype=torch.uint8, device=device)
    labels = torch.randint(100, (batch_size,), device=device)
    index = torch.randperm(IMAGES)[:batch_size].to(device)
    step = Step(model, lambda: dict(inputs=inputs, labels=labels, index=index))
    # Loads the teacher while its file exists.
    step()
    return step
