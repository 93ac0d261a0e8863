"""The teachers of a distilling model: their weights, their classes, their pixels and their answers."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from torch import nn

from luminet_det.class_name import class_name
from luminet_det.detection.pixels_in_pipeline import NORMALISED, normalises
from luminet_det.doctor.findings import OK, WARN, Finding


def distils(model: nn.Module) -> bool:
    """Whether the model has terms by which to learn from a teacher."""
    return bool(getattr(model, 'terms', None))


def enter_training(cfg: Config, dataset: object) -> None:
    """Publish what a Runner provides before its first step, which is needed to match classes."""
    hub = MessageHub.get_instance('doctor')
    epochs = cfg.train_cfg.get('max_epochs')
    metainfo = getattr(dataset, 'metainfo', {})
    facts = dict(
        cfg=cfg.pretty_text, loop_stage='train', dataset_meta=metainfo, iter=0, epoch=0, max_epochs=epochs or 1
    )
    hooks = [class_name(hook) for hook in cfg.get('custom_hooks') or ()]
    if 'TrainingLabelsHook' in hooks and hasattr(dataset, 'labels'):
        facts['training_labels'] = torch.as_tensor(dataset.labels, dtype=torch.int64)
    facts[NORMALISED] = normalises(dataset)
    for name, fact in facts.items():
        hub.update_info(name, fact)


def check_weights(model: nn.Module) -> Iterator[Finding]:
    """Build each teacher and load its weights strictly."""
    for teacher in model.teachers:
        teacher.build(model.accept)
        millions = sum(p.numel() for p in teacher.model.parameters()) / 1e6
        fits = f'{teacher.checkpoint} fits' if teacher.checkpoint else 'from scratch:'
        yield Finding('teacher weights', OK, f'{fits} {_shown(teacher.name)}, {millions:.2f} M parameters')


def check_wiring(model: nn.Module) -> Iterator[Finding]:
    """Match classes and pixels; `describe` says what is mapped."""
    model.start()
    for teacher, link in zip(model.teachers, model.links, strict=True):
        described = '; '.join(' '.join(line.split()) for line in link.describe())
        yield Finding('teacher', OK, f'{_shown(teacher.name)}: {described}')


def check_answers(model: nn.Module, batch: dict) -> Iterator[Finding]:
    """Whether each teacher of a classifier classifies training images better than by guessing.

    Args:
        model: A `DistillClassifier`, after its `start`.
        batch: A batch of its training loader.
    """
    data = model.data_preprocessor(batch, False)
    labels, number = data['labels'], len(data['labels'])
    for teacher, link in zip(model.teachers, model.links, strict=True):
        if not link.classes or (teacher.trainable and not teacher.checkpoint):
            # The teacher has other classes, or is a peer that starts from scratch and knows nothing yet.
            continue
        with torch.no_grad():
            logits = link.answer(data['inputs'][:number], ('logits',)).logits
        right, guess = int((logits.argmax(1) == labels).sum()), 1 / logits.shape[1]
        found = f'{_shown(teacher.name)} classifies {right} of {number} training images correctly'
        # Two standard deviations above guessing: a teacher that has learned these classes is far above.
        if right <= number * guess + 2 * math.sqrt(number * guess * (1 - guess)):
            yield Finding(
                'teacher agreement',
                WARN,
                f'{found}, and guessing would get {number * guess:.1f} right',
                'model.teacher.checkpoint, if that was not trained; model.teacher.classes, the names in the order '
                "of its logits; data_preprocessor in the teacher's config",
            )
        else:
            yield Finding('teacher agreement', OK, found)


def _shown(name: str) -> str:
    """A teacher's name; a path below the working directory is shown relative to it."""
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
