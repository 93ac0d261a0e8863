"""The picture at the end of the quickstart: ground truth | teacher | student | distilled."""

from pathlib import Path

from luminet_det import pictures
from luminet_det.extra import require

SCORE = 0.5  # boxes of lower scores are left out


def draw_comparison(
    path: str | Path,
    data_root: str | Path,
    detectors: dict[str, tuple[Path, Path]],
    indices: tuple[int, ...] = (0, 1, 2, 3),
) -> None:
    """Draw a few validation scenes with the boxes of every detector, one scene per row.

    Args:
        path: The PNG to write.
        data_root: Folder that `prepare_digits` filled.
        detectors: Config and checkpoint of `teacher`, `student` and `distilled`; a distilled checkpoint is a
            stock one and comes with the plain student's config.
        indices: Scenes of the val split.
    """
    from mmdet.apis import init_detector
    from mmdet.registry import DATASETS

    require('the picture is drawn', 'matplotlib')
    found = {}
    for name, (config, checkpoint) in detectors.items():
        model = init_detector(str(config), str(checkpoint), device='cpu')
        dataset = DATASETS.build({**model.cfg.val_dataloader.dataset, 'data_root': f'{data_root}/'})
        found[name] = pictures.detect(model, dataset, indices, dataset.metainfo['classes'], SCORE)
    title = f'Validation scenes, boxes with a score of {SCORE} and above'
    pictures.draw(path, [pictures.scene(dataset, index) for index in indices], found, title)
