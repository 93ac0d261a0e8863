"""Training steps and predictions with every method, on the CPU and then on another device, from the same seeds.

    python -m tests.second_device.steps FOLDER [DEVICE]

writes `FOLDER/steps.json`: for each case and device, the numbers of each step or the error. DEVICE is the pretended
device `elsewhere`, unless another such as `cuda` is given.
"""

import json
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from mmengine.model import BaseModel

from luminet_det.classification.data.resident import ResidentImages
from luminet_det.quickstart.digits import CLASSES
from tests import dense, methods, pairs
from tests.classification import narrow, small
from tests.detection import test_methods as detectors
from tests.second_device import device

LUMINET = [dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss'))]
DENSE = dict(
    type='luminet_det.DistillSingleStageDetector',
    distill=[dict(tap='dense_cls', loss=dict(type='luminet_det.LumiNetLoss', use_sigmoid=True))],
)
AUGMENTATIONS = (
    dict(type='RandomCrop', size=16, padding=2),
    dict(type='RandomHorizontalFlip'),
    dict(type='RandomVerticalFlip'),
    dict(type='CenterCrop', size=12),
    dict(type='Resize', size=20),
    dict(type='AutoAugment', policy='cifar10'),
    dict(type='RandAugment'),
    dict(type='TrivialAugmentWide'),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4),
    dict(type='Cutout', size=8),
    dict(type='RandomErasing', p=0.5),
)


def main(folder: str, place: str = device.NAME) -> None:
    if place == device.NAME:
        device.install()
    else:
        compare_with_the_cpu()
    folder = Path(folder)
    found = {name: {each: attempt(case, each) for each in ('cpu', place)} for name, case in cases(folder)}
    (folder / 'steps.json').write_text(json.dumps(found))


def compare_with_the_cpu() -> None:
    """Have a GPU compute as precisely as the CPU, without TF32, and use random numbers drawn on the CPU."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    for name in ('rand', 'randint', 'randperm'):
        setattr(torch, name, partial(_drawn, getattr(torch, name)))


def _drawn(draw: Callable, *args, device: torch.device | str = 'cpu', **kwargs) -> torch.Tensor:
    return draw(*args, **kwargs).to(device)


def attempt(case: Callable, place: str) -> list | str:
    """The numbers of a case on a device, or the traceback of its error."""
    methods.hub('steps', training_labels=narrow.digits()[1])
    try:
        return case(place)
    except Exception:
        return traceback.format_exc()


def cases(folder: Path) -> Iterator[tuple[str, Callable]]:
    """Cases and their names: each method for classifiers, all methods at once for detectors, and other variants."""
    widths = dict(wide=narrow.WIDE, equal=narrow.NARROW)
    wide, equal = (narrow.save_teacher(folder / f'{name}.pth', of) for name, of in widths.items())
    for method in methods.CLASSIFIER:
        config = narrow.distilling(wide if method.bridges else equal, [method.term])
        yield f'classifier {method}', partial(classifier, config, 2 if method.loss == 'MLLDLoss' else 1)
    for name, config in {
        'alone': narrow.setting(),
        'by an ensemble': narrow.distilling([wide, equal], LUMINET),
        'by a folded teacher': narrow.distilling(dict(wide, fuse_conv_bn=True), LUMINET),
        'channels last': narrow.distilling(wide, LUMINET, channels_last=True),
        'by a peer': narrow.distilling(
            dict(config=wide['config'], trainable=True), [dict(tap='logits', loss=dict(type='luminet_det.KDLoss'))]
        ),
    }.items():
        yield f'classifier {name}', partial(classifier, config, 1)
    for kind, table in detectors.TASKS.items():
        for name, bridges in (('wide', True), ('equal', False)):
            terms = [method.term for method in table if method.bridges or not bridges]
            teacher = detector_teacher(folder / f'{kind}_{name}.pth', kind, bridges)
            yield f'{kind} {name}', partial(detector, detectors.distilling(kind, teacher, terms))
    for name in dense.CONFIGS:
        config = dense.model(name)
        teacher = pairs.save_teacher(folder / f'{name}.pth', config)
        yield name, partial(architecture, dict(config, **DENSE, teacher=teacher), False)
    for name, config in {'mask_rcnn': pairs.mask_rcnn(), 'cascade_rcnn': pairs.cascade_rcnn()}.items():
        teacher = pairs.save_teacher(folder / f'{name}.pth', config)
        yield name, partial(architecture, pairs.distilling(config, teacher), name == 'mask_rcnn')
    yield 'resident images', resident
    yield 'stray tensors', stray


def classifier(config: dict, views: int, place: str) -> list[dict]:
    """The logged numbers of two steps, then the sum of the absolute logits of a prediction."""
    model = small.build(config).to(place)
    steps = train(model, narrow.sgd(model), partial(narrow.batch, 32, views))
    with torch.no_grad():
        logits = model.eval().val_step(narrow.batch())[0]['logits']
    return [*steps, dict(logits=float(logits.abs().sum()))]


def detector(config: dict, place: str) -> list[dict]:
    """The logged numbers of two steps, then the number of predicted boxes and the sum of their scores."""
    model = pairs.build(config, seed=0).to(place)
    steps = train(model, detectors.sgd(model), detectors.batch)
    with torch.no_grad():
        found = [sample.pred_instances for sample in model.eval().val_step(detectors.batch())]
    return [*steps, dict(boxes=sum(map(len, found)), scores=float(sum(each.scores.sum() for each in found)))]


def architecture(config: dict, with_mask: bool, place: str) -> list[dict]:
    """The logged numbers of one step, and the sum of the absolute values of all gradients."""
    model = pairs.build(config).to(place)
    losses = pairs.step(model, with_mask=with_mask)
    total, logged = model.parse_losses(losses)
    total.backward()
    gradients = [weight.grad.abs().sum() for weight in model.parameters() if weight.grad is not None]
    return [{name: float(value) for name, value in logged.items()} | dict(gradients=float(sum(gradients)))]


def train(model: BaseModel, optimizer: object, batch: Callable) -> list[dict]:
    """The logged numbers of two steps."""
    steps = []
    for seed in range(2):
        torch.manual_seed(seed)
        steps.append({name: float(value) for name, value in model.train_step(batch(), optimizer).items()})
    return steps


def detector_teacher(path: Path, kind: str, wide: bool) -> dict:
    config = detectors.plain(kind, wide)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=pairs.build(config, seed=1).state_dict(), meta=meta), path)
    return dict(config=config, checkpoint=str(path))


def resident(place: str) -> list[dict]:
    """Sums over a batch of resident images, for each augmentation on the device."""
    images, labels = narrow.digits()
    found = []
    for transform in AUGMENTATIONS:
        torch.manual_seed(0)
        batch = ResidentImages(images.byte(), labels, [transform], place).batch(range(32))
        found.append({name: float(batch[name].float().sum()) for name in ('inputs', 'labels', 'index')})
    return found


def stray(place: str) -> list[dict]:
    """A loss that must fail on the device, because its labels were not moved there."""
    logits, labels = torch.rand(4, 3).to(place), torch.zeros(4).long()
    return [dict(loss=float(torch.nn.functional.cross_entropy(logits, labels)))]


if __name__ == '__main__':
    main(*sys.argv[1:])
