"""Subjects: the networks that are compared, and their answers to the same images."""

from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from torch.utils.data import Dataset

from luminet_det.classification.analysis.answers import Answers, collect, evenly
from luminet_det.classification.analysis.trained import Trained, check_classes, load_trained
from luminet_det.classification.classifier import Classifier
from luminet_det.classification.models import Outputs
from luminet_det.classification.teacher import ClassifierTeacher
from luminet_det.distillation import Teacher
from luminet_det.losses import LumiNetLoss
from luminet_det.registry import DATASETS

ROWS = 64


@dataclass(frozen=True)
class Subjects:
    """Answers of teacher, student and, where given, a network to compare with, to the same images.

    Attributes:
        networks: By the name that pictures show; the teacher first, where there is one.
        teacher: The teacher's name among `networks`; None without one.
        classes: Names of the classes.
        dataset: Name of the dataset.
        batch_size: Batch size of the training, for what is computed over a batch.
        loss: The config's LumiNet loss, or one with tau 1 if it has none.
        facts: What a reader needs to reproduce the report.
    """

    networks: dict[str, Answers]
    teacher: str | None
    classes: tuple[str, ...]
    dataset: str
    batch_size: int
    loss: LumiNetLoss
    facts: dict[str, str]

    @property
    def students(self) -> dict[str, Answers]:
        """The networks that are not the teacher."""
        return {name: answers for name, answers in self.networks.items() if name != self.teacher}


def ask(
    cfg: Config,
    checkpoint: str,
    teacher: dict | None = None,
    compare: str | None = None,
    compare_name: str = 'plain',
    images: int | None = None,
    device: str | None = None,
) -> Subjects:
    """Load the networks and run them on the test set.

    Args:
        cfg: Config of a classifier; its `test_dataloader`, or else `val_dataloader`, has the images.
        checkpoint: Weights of the student.
        teacher: A teacher setting in place of the config's `model.teacher`; None for that one, if the config has it.
        compare: Weights of a second network of the same config.
        compare_name: What the pictures call it.
        images: How many images to use, spread evenly over the classes; default: all.
        device: Where the networks run; default: a GPU if there is one.

    Raises:
        ValueError: The config is not that of a classifier or has no test set, a checkpoint is another network's, or
            classes differ.
        FileNotFoundError: A checkpoint or the dataset is not there.
    """
    device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    student = load_trained(cfg, checkpoint)
    dataset, batch_size, workers = _images(cfg)
    classes = tuple(dataset.metainfo['classes'])
    check_classes(student, classes, checkpoint)
    model = student.model.to(device)
    asked, teacher_name = {}, None
    facts = {'config': str(cfg.filename), 'checkpoint': checkpoint}
    own = [Teacher.from_setting(teacher)] if teacher else getattr(model, 'teachers', ())
    # A peer has learnt with the student, and its weights are not in the student's checkpoint.
    if teachers := [each.as_tested() for each in own if not each.trainable]:
        for each in teachers:
            _build(each, model)
        links = [ClassifierTeacher(each, model, classes) for each in teachers]
        teacher_name = f'teacher: {" + ".join(_network_of(each) for each in teachers)}'
        asked[teacher_name] = lambda inputs: _together([link.answer(inputs, ('embedding',)) for link in links])
        facts['teacher'] = ', '.join(str(each.checkpoint) for each in teachers)
    asked[f'{"student" if teacher_name else "network"}: {student.network}'] = _of(student)
    if compare:
        other = load_trained(cfg, compare)
        check_classes(other, classes, compare)
        other.model.to(device)
        asked[f'{compare_name}: {other.network}'] = _of(other)
        facts[compare_name] = compare
    indices = evenly(dataset.labels, images) if images else list(range(len(dataset)))
    networks = collect(asked, model.data_preprocessor, dataset, batch_size, workers, indices)
    shown = f'{len(next(iter(networks.values())).labels)} of {len(dataset)}, {dataset.metainfo["dataset"]}'
    return Subjects(
        networks=networks,
        teacher=teacher_name,
        classes=classes,
        dataset=dataset.metainfo['dataset'],
        batch_size=(cfg.get('train_dataloader') or {}).get('batch_size', ROWS),
        loss=_loss(model),
        facts=facts | {'images': shown},
    )


def _images(cfg: Config) -> tuple[Dataset, int, int]:
    """The test set, its batch size and its loader processes."""
    loader = cfg.get('test_dataloader') or cfg.get('val_dataloader')
    if not loader or 'dataset' not in loader:
        raise ValueError(f'{cfg.filename} has no test_dataloader.dataset; add it: the networks are run on it.')
    settings = dict(loader.dataset)
    dataset = DATASETS.build(settings)
    if not hasattr(dataset, 'labels'):
        raise ValueError(
            f"test_dataloader.dataset is a {type(dataset).__name__}; expected one of luminet_det's datasets of "
            "labelled images, e.g. dict(type='luminet_det.ImageFolder', data_root=...)."
        )
    return dataset, loader.get('batch_size', 250), loader.get('num_workers', 0)


def _build(teacher: Teacher, student: Classifier) -> None:
    def accept(model: torch.nn.Module) -> None:
        if not isinstance(model, Classifier):
            raise ValueError(
                f'The teacher {teacher.name} is a {type(model).__name__}; a classifier is compared with a classifier. '
                'Change model.teacher, or give --teacher-config and --teacher-checkpoint.'
            )

    try:
        teacher.build(accept)
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    teacher.follow(student)


def _network_of(teacher: Teacher) -> str:
    if isinstance(teacher.config, str):
        return Path(teacher.config).stem
    return str(teacher.config['network']['type']).rpartition('.')[2]


def _of(trained: Trained):
    return lambda inputs: trained.model(inputs, mode='tensor')


def _together(said: list[Outputs]) -> Outputs:
    """The mean of an ensemble's logits; embeddings of several networks cannot be averaged."""
    if len(said) == 1:
        return said[0]
    return Outputs(sum(each.logits for each in said) / len(said), (), (), None)


def _loss(model: Classifier) -> LumiNetLoss:
    losses = [term.loss for term in getattr(model, 'terms', ())]
    return next((loss for loss in losses if isinstance(loss, LumiNetLoss)), LumiNetLoss(tau=1.0))
