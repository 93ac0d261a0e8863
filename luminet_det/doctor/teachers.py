"""The teachers of a distilling model: their weights, their classes and their pixels."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import MessageHub
from torch import nn

from luminet_det.doctor.findings import OK, Finding


def distils(model: nn.Module) -> bool:
    """Whether there is a term to learn from a teacher by."""
    return bool(getattr(model, 'terms', None))


def enter_training(cfg: Config, metainfo: dict) -> None:
    """Publish what a Runner would have when its first step begins: classes are matched by it."""
    hub = MessageHub.get_instance('doctor')
    epochs = cfg.train_cfg.get('max_epochs')
    facts = dict(loop_stage='train', dataset_meta=metainfo, iter=0, epoch=0, max_epochs=epochs or 1)
    for name, fact in facts.items():
        hub.update_info(name, fact)


def check_weights(model: nn.Module) -> Iterator[Finding]:
    """Build each teacher and load its weights strictly."""
    for teacher in model.teachers:
        teacher.build(model.accept)
        millions = sum(p.numel() for p in teacher.model.parameters()) / 1e6
        yield Finding(
            'teacher weights', OK, f'{teacher.checkpoint} fits {_shown(teacher.name)}, {millions:.2f} M parameters'
        )


def check_wiring(model: nn.Module) -> Iterator[Finding]:
    """Match classes and pixels; `describe` says what is mapped."""
    model.start()
    for teacher, link in zip(model.teachers, model.links, strict=True):
        described = '; '.join(' '.join(line.split()) for line in link.describe())
        yield Finding('teacher', OK, f'{_shown(teacher.name)}: {described}')


def _shown(name: str) -> str:
    """A path from here, where it is one below."""
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
