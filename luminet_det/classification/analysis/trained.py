"""Trained: a classifier with the weights of a checkpoint, ready for inference."""

from collections.abc import Sequence
from typing import NamedTuple

from mmengine.config import Config
from mmengine.registry import DefaultScope

from luminet_det.classification.classifier import Classifier
from luminet_det.classification.teacher import num_logits
from luminet_det.compat import checkpoints
from luminet_det.distillation.weights import load_strictly
from luminet_det.registry import MODELS

SHOWN = 5


class Trained(NamedTuple):
    """A frozen classifier in eval mode.

    Attributes:
        model: The classifier.
        network: The network's name in the config, e.g. `resnet20`.
        classes: Names of the classes that it was trained with; None where the checkpoint does not name them.
    """

    model: Classifier
    network: str
    classes: tuple[str, ...] | None


def load_trained(cfg: Config, checkpoint: str) -> Trained:
    """Build the classifier of a config and load a checkpoint strictly.

    Args:
        cfg: Config of a `Classifier` or `DistillClassifier`; the latter does not need its teacher here.
        checkpoint: Path or URL, in any format that `Classifier.own_weights` knows.

    Raises:
        ValueError: The config is not that of a classifier, or the checkpoint is damaged or another network's.
        FileNotFoundError: There is no such checkpoint.
        pickle.UnpicklingError: It holds more than weights and was refused.
    """
    if 'model' not in cfg:
        raise ValueError(f'{cfg.filename} has no `model`; give the config of a luminet_det classifier as CONFIG.')
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmengine'):
        model = MODELS.build(cfg.model)
    if not isinstance(model, Classifier):
        raise ValueError(
            f'{cfg.filename} is the config of a {type(model).__name__}; this tool is for classifiers. Give a config '
            "with model.type='luminet_det.Classifier' or 'luminet_det.DistillClassifier'."
        )
    network = str(cfg.model.network.type).rpartition('.')[2]
    try:
        found = checkpoints.load(checkpoint)
        load_strictly(model, model.own_weights(found), source=checkpoint)
    except RuntimeError as error:
        raise ValueError(
            f'{error} The config {cfg.filename} builds {network} with {num_logits(model.network)} classes '
            '(model.network); give a checkpoint that was trained with it, or the config in the work dir of the '
            'checkpoint.'
        ) from error
    classes = ((found.get('meta') or {}).get('dataset_meta') or {}).get('classes')
    return Trained(model.eval().requires_grad_(False), network, tuple(classes) if classes else None)


def check_classes(trained: Trained, classes: Sequence[str], checkpoint: str) -> None:
    """Raise ValueError unless a network was trained on the classes of a dataset, in their order.

    Names that are only numbers, as in datasets without class names, say nothing about the order and are ignored.
    """
    outputs = num_logits(trained.model.network)
    if outputs != len(classes):
        raise ValueError(
            f'The network has {outputs} outputs, and the test set {len(classes)} classes. Give the dataset that '
            f'{checkpoint} was trained on: test_dataloader.dataset in the config.'
        )
    if trained.classes is None or any(all(name.isdigit() for name in names) for names in (trained.classes, classes)):
        return
    wrong = [(i, *pair) for i, pair in enumerate(zip(trained.classes, classes, strict=True)) if pair[0] != pair[1]]
    if wrong:
        shown = ', '.join(f'{i} is {theirs!r} for {ours!r}' for i, ours, theirs in wrong[:SHOWN])
        raise ValueError(
            f'{len(wrong)} of {len(classes)} classes of the test set are not those that {checkpoint} was trained on: '
            f'{shown}. Correct test_dataloader.dataset in the config.'
        )
