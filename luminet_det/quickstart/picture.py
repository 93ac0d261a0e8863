"""The picture at the end of the quickstart: ground truth | teacher | student | distilled."""

import json
from pathlib import Path

import cv2

SCORE = 0.5  # boxes of lower scores are left out
COLUMNS = ('ground truth', 'teacher', 'student', 'distilled')
RIGHT, WRONG = '#2ee66b', '#ff4d4d'


def draw_comparison(
    path: str | Path,
    data_root: str | Path,
    detectors: dict[str, tuple[Path, Path]],
    image_ids: tuple[int, ...] = (1, 2, 3, 4),
) -> None:
    """Draw a few validation scenes with the boxes of every detector, one scene a row.

    Args:
        path: The PNG to write.
        data_root: Folder that `prepare_digits` filled.
        detectors: Config and checkpoint of `teacher`, `student` and `distilled`; a distilled checkpoint is a
            stock one and comes with the plain student's config.
        image_ids: Scenes of the val split.
    """
    plt = _pyplot()
    scenes = _scenes(Path(data_root), image_ids)
    found = {name: _detect(*files, [scene['pixels'] for scene in scenes]) for name, files in detectors.items()}
    figure, axes = plt.subplots(
        len(scenes), len(COLUMNS), figsize=(3 * len(COLUMNS), 3 * len(scenes) + 0.6), squeeze=False
    )
    for row, scene in enumerate(scenes):
        for column, name in enumerate(COLUMNS):
            axis = axes[row, column]
            axis.imshow(scene['pixels'][..., ::-1], interpolation='nearest')
            axis.axis('off')
            if row == 0:
                axis.set_title(name, fontsize=14)
            if name == 'ground truth':
                for box, label in scene['truth']:
                    _draw_box(axis, box, label, 'white')
                continue
            for box, label, score in reversed(found[name][row]):  # the surest last, so that it lies on top
                right = any(label == true and _iou(box, other) >= 0.5 for other, true in scene['truth'])
                _draw_box(axis, box, f'{label} {score:.2f}', RIGHT if right else WRONG)
    figure.suptitle(
        f'Validation scenes, boxes with a score above {SCORE}\n'
        'green: the digit is right and IoU >= 0.5; red: it is not',
        fontsize=12,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _scenes(root: Path, image_ids: tuple[int, ...]) -> list[dict]:
    content = json.loads((root / 'annotations' / 'val.json').read_text())
    digits = {category['id']: category['name'] for category in content['categories']}
    names = {image['id']: image['file_name'] for image in content['images']}
    scenes = []
    for image_id in image_ids:
        truth = []
        for annotation in content['annotations']:
            if annotation['image_id'] == image_id:
                x, y, width, height = annotation['bbox']
                truth.append(((x, y, x + width, y + height), digits[annotation['category_id']]))
        scenes.append(dict(pixels=cv2.imread(str(root / 'val' / names[image_id])), truth=truth))
    return scenes


def _detect(config: Path, checkpoint: Path, pictures: list) -> list[list[tuple]]:
    """Return per picture ``((x1, y1, x2, y2), digit, score)`` of each box above the threshold, best first."""
    from mmdet.apis import inference_detector, init_detector

    model = init_detector(str(config), str(checkpoint), device='cpu')
    classes = model.dataset_meta['classes']
    answers = []
    for result in inference_detector(model, pictures):
        kept = result.pred_instances[result.pred_instances.scores > SCORE].numpy()
        boxes = zip(kept.bboxes.tolist(), kept.labels, kept.scores.tolist(), strict=True)
        answers.append([(tuple(box), classes[label], score) for box, label, score in boxes])
    return answers


def _draw_box(axis, box: tuple, text: str, colour: str) -> None:
    left, top, right, bottom = box
    # The scene's edge pixels reach half a pixel beyond their centres.
    axis.plot(
        [left - 0.5, right - 0.5, right - 0.5, left - 0.5, left - 0.5],
        [top - 0.5, top - 0.5, bottom - 0.5, bottom - 0.5, top - 0.5],
        color=colour,
        linewidth=1.5,
    )
    above = top > 9
    axis.text(
        left - 0.5,
        top - 1.5 if above else bottom + 0.5,
        text,
        color='black',
        fontsize=7,
        verticalalignment='bottom' if above else 'top',
        bbox=dict(facecolor=colour, edgecolor='none', pad=1, alpha=0.9),
    )


def _iou(one: tuple, other: tuple) -> float:
    width = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)


def _pyplot():
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            'The quickstart draws its picture with matplotlib, which is not installed; '
            "run in luminet_det's folder: pip install '.[quickstart]'"
        ) from error
    matplotlib.use('Agg')
    from matplotlib import pyplot

    return pyplot
