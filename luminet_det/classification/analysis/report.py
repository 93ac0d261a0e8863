"""The report on some networks: a folder of pictures, numbers and the page that shows them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from luminet_det.classification.analysis.gallery import gallery
from luminet_det.classification.analysis.page import write_page
from luminet_det.classification.analysis.scores import scores
from luminet_det.classification.analysis.subjects import Subjects


class Report(NamedTuple):
    """What was written: numbers by network, and the page."""

    numbers: dict[str, dict[str, float]]
    page: Path


def write_report(
    subjects: Subjects,
    out: Path,
    classes: Mapping[int, str],
    seed: int = 0,
    said: Callable[[str], None] = lambda line: None,
) -> Report:
    """Write `<picture>.png`, `numbers.json` and `index.html` to a folder.

    Args:
        subjects: The networks and their answers.
        out: The folder; created if missing.
        classes: The classes in pictures of single classes; see `gallery.shown_classes`.
        seed: See `gallery.gallery`.
        said: Called with the name of each file as it is written.
    """
    out.mkdir(parents=True, exist_ok=True)
    teacher = subjects.networks.get(subjects.teacher) if subjects.teacher else None
    numbers = {
        name: scores(answers, None if name == subjects.teacher else teacher)
        for name, answers in subjects.networks.items()
    }
    facts = subjects.facts | {'tau': f'{subjects.loss.tau:g}', 'seed': str(seed)}
    (out / 'numbers.json').write_text(json.dumps(dict(facts, networks=numbers), indent=1) + '\n', encoding='utf-8')
    drawn = []
    for picture in gallery(subjects, classes, seed):
        path = out / f'{picture.name}.png'
        # It may be from an earlier run, perhaps with a teacher.
        path.unlink(missing_ok=True)
        if picture.draw:
            picture.draw().savefig(path)
            said(str(path))
        drawn.append((picture, path if picture.draw else None))
    page = out / 'index.html'
    write_page(page, f'{subjects.dataset}. {", ".join(subjects.networks)}', numbers, drawn, facts, subjects.teacher)
    return Report(numbers, page)
