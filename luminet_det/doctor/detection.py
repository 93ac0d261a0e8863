"""The task of a detector: images and boxes of annotation files."""

from collections.abc import Iterator

from mmengine.config import Config
from torch import nn

from luminet_det import annotation_file, validated_classes
from luminet_det.dataset_config import common_classes, config_sources
from luminet_det.doctor import data, model, pixels
from luminet_det.doctor.findings import FAIL, WARN, Finding, Report
from luminet_det.doctor.task import Task


class DetectionTask(Task):
    """The checks of a detector's datasets, which are mmdet's."""

    validated = 'val_dataloader.dataset.ann_file'

    def __init__(self, report: Report, cfg: Config) -> None:
        super().__init__(report, cfg)
        self.files: dict[str, annotation_file.Contents] = {}

    @classmethod
    def serves(cls, cfg: Config) -> bool:
        return True

    def look_at_data(self, loader: str) -> bool:
        run, sound = self.report.run, True
        for place, settings in config_sources(self.cfg[loader].get('dataset'), f'{loader}.dataset'):
            sound &= run('annotations', lambda p=place, s=settings: data.check_file(p, s), f'{place}.ann_file')
            sound &= run('images', lambda p=place, s=settings: data.check_folder(p, s), f'{place}.data_prefix')
        lacking = None if sound else f'the files of {loader} have faults'

        def check() -> Iterator[Finding]:
            with annotation_file.watched() as files:
                dataset = data.build(loader, self.cfg[loader])
            self.files |= files
            yield from data.check_images(loader, dataset)
            self.datasets[loader] = dataset

        return run('images', check, f'{loader}.dataset', lacking)

    def identities(self, loader: str) -> Iterator[tuple[str, str]]:
        for path in sorted(set(data.image_paths(self.datasets[loader]))):
            yield path, path

    def check_classes(self, student: nn.Module) -> Iterator[Finding]:
        classes = common_classes(getattr(self.datasets['train_dataloader'], 'metainfo', {}))
        yield from model.check_classes(student, classes, 'train_dataloader')
        place = 'val_dataloader'
        if found := validated_classes.difference(place, validated_classes.names(self.datasets.get(place)), classes):
            yield Finding('classes', FAIL if found.fatal else WARN, found.what, found.change)

    def look_at_order(self, distils: bool, lacking: str | None) -> None:
        """Check that names and numbers of the classes agree with the annotation file, which has both."""
        dataset = self.datasets.get('train_dataloader')
        self.report.run('class order', lambda: model.check_order(self.files, dataset, distils), '', lacking)

    def statistics(self) -> pixels.Statistics:
        return pixels.of_files(data.image_paths(self.datasets['train_dataloader']))
