"""The task of a classifier: labelled images, in memory or in files."""

from collections.abc import Iterator

from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS
from torch import nn

from luminet_det.class_name import is_of
from luminet_det.classification.classifier import Classifier, num_logits
from luminet_det.classification.data import LabelledImages
from luminet_det.doctor import images, pixels, recipe, teachers
from luminet_det.doctor.findings import FAIL, OK, WARN, Finding
from luminet_det.doctor.task import Task


class ClassificationTask(Task):
    """The checks of a classifier's datasets. Class order is not checked: names and labels have the same source."""

    # CIFAR-100 itself has 10 of its 10,000 test images in its training set; a thousandth does not change the score.
    tolerated = 0.005

    @classmethod
    def serves(cls, cfg: Config) -> bool:
        dataset = cfg.train_dataloader.get('dataset')
        return is_of(MODELS, cfg.model, Classifier) or is_of(DATASETS, dataset, LabelledImages)

    def look_at_data(self, loader: str) -> bool:
        return self.report.run('images', lambda: self._check_images(loader), f'{loader}.dataset')

    def _check_images(self, loader: str) -> Iterator[Finding]:
        dataset = images.build(loader, self.cfg[loader])
        self.datasets[loader] = dataset
        if isinstance(dataset, LabelledImages):
            yield from images.check_counts(loader, dataset)
            yield from images.check_reading(loader, self.cfg[loader], dataset)
        else:
            kind = type(dataset).__name__
            yield Finding('images', WARN, f'{loader}: {kind} is not a LabelledImages, so its images were not checked')

    def lacking_images(self, *loaders: str) -> str | None:
        if lacking := self.lacking(*loaders):
            return lacking
        datasets = [self.datasets[loader] for loader in loaders]
        if own := [type(dataset).__name__ for dataset in datasets if not isinstance(dataset, LabelledImages)]:
            return f'{own[0]} is not a LabelledImages'
        if len({images.in_memory(dataset) for dataset in datasets}) > 1:
            return 'one set is in memory, the other in files'
        return None

    def identities(self, loader: str) -> Iterator[tuple[object, str]]:
        yield from images.identities(self.datasets[loader])

    def statistics(self) -> pixels.Statistics:
        sample, _ = images.opened(self.datasets['train_dataloader'])
        return pixels.of_images(image.permute(1, 2, 0).numpy() for image in sample)

    def check_classes(self, model: nn.Module) -> Iterator[Finding]:
        """Whether the network has an output for each class, and both sets number the same classes."""
        train, val = (_classes(self.datasets.get(loader)) for loader in ('train_dataloader', 'val_dataloader'))
        outputs = num_logits(model.network)
        if not train:
            yield Finding(
                'classes',
                WARN,
                f'the network has {outputs} outputs, and the training set does not name its classes',
                'Give the dataset metainfo = dict(classes=(...)).',
            )
            return
        listed = ', '.join(train[:6]) + (', ...' if len(train) > 6 else '')
        if outputs != len(train):
            yield Finding(
                'classes',
                FAIL,
                f'the network has {outputs} outputs, the data {len(train)} classes: {listed}',
                f'model.network.num_classes = {len(train)}',
            )
        elif val and val != train:
            other = next((names for names in zip(train, val, strict=False) if names[0] != names[1]), ('none', 'none'))
            yield Finding(
                'classes',
                FAIL,
                f'training has {len(train)} classes and validation {len(val)}; the first that differ are {other[0]} '
                f'and {other[1]}',
                'train_dataloader.dataset.data_root and val_dataloader.dataset.data_root: sets of the same classes, in '
                'the same order',
            )
        else:
            yield Finding('classes', OK, f'{len(train)} in data and network: {listed}')

    def look_at_recipe(self, model: nn.Module, lacking: str | None) -> None:
        """Check that loss weights and batch size are what the losses need."""
        size = len(self.datasets.get('train_dataloader', ()))
        self.report.run('recipe', lambda: recipe.check(model, self.cfg, size), 'model', lacking)

    def look_at_answers(self, model: nn.Module, batch: dict | None, lacking: str | None) -> None:
        """Check that the networks give logits, and that the teachers know the images."""
        if not lacking and isinstance(model, Classifier):
            self.report.run('pixels', lambda: recipe.check_pixels(model, batch), 'train_dataloader.dataset')
            self.report.run('logits', lambda: recipe.check_logits(model, batch), 'model.network')
        if teachers.distils(model):
            self.report.run('teacher agreement', lambda: teachers.check_answers(model, batch), 'model.teacher', lacking)


def _classes(dataset: object) -> tuple[str, ...]:
    return tuple(getattr(dataset, 'metainfo', {}).get('classes') or ())
