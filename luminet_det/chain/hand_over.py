"""What one run of a chain hands to the next, and what would keep the next from taking it."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DefaultScope

from luminet_det.chain.run import Run
from luminet_det.config import find
from luminet_det.dataset_config import class_names, config_sources
from luminet_det.options import parse_value

HEADS = ('network', 'bbox_head', 'roi_head.bbox_head')


def check_first(run: Run) -> None:
    """Refuse a chain whose first run distils from weights that are not there.

    Raises:
        FileNotFoundError: The message names the config that trains them.
    """
    settings = run.cfg.model.get('teacher')
    for setting in settings if isinstance(settings, list | tuple) else [settings]:
        weights = setting.get('checkpoint') if isinstance(setting, dict) else None
        if weights and '://' not in weights and not Path(weights).expanduser().is_file():
            raise FileNotFoundError(
                f'{run.config} comes first and learns from {weights}, which is not there. Put the config that trains '
                f'it first, {setting.get("config")}, or set model.teacher.checkpoint.'
            )


def check_pair(teacher: Run, student: Run, which: str) -> None:
    """Refuse two runs of which the second cannot learn from the first.

    Args:
        teacher: The run before.
        student: The run after it.
        which: Whose checkpoint is handed on, 'last' or 'best'.

    Raises:
        ValueError: The student's config has no teacher, or several; its classes differ from the teacher's; the
            teacher's run keeps no best checkpoint; the path of its checkpoint cannot be given as an option.
    """
    setting = student.cfg.model.get('teacher')
    if not setting:
        raise ValueError(
            f'{student.config} has no model.teacher, so {teacher.config} before it would teach nothing. Use a '
            'config that distils in its place, or end the chain before it.'
        )
    if isinstance(setting, list | tuple):
        raise ValueError(
            f'{student.config} has {len(setting)} teachers, but the run before hands on only one. Write '
            'model.teacher=dict(config=..., checkpoint=...).'
        )
    if which == 'best' and not ((teacher.cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('save_best'):
        raise ValueError(
            f"{teacher.config} keeps no best checkpoint; set default_hooks.checkpoint.save_best, such as 'auto', or "
            'remove --pass-on best.'
        )
    if parse_value(str(teacher.work_dir)) != str(teacher.work_dir):
        raise ValueError(
            f'{str(teacher.work_dir)!r} cannot be handed on as a path; give a --work-dir without commas, brackets or '
            'quotes.'
        )
    _check_classes(teacher, student)


def options(teacher: Run, student: Run, which: str) -> dict[str, str]:
    """The config options that make the student learn from the trained teacher.

    Other settings of the teacher in the student's config, such as `dtype`, are kept.

    Raises:
        FileNotFoundError: The teacher's run left no such checkpoint.
    """
    setting = student.cfg.model.teacher
    told = {'model.teacher.checkpoint': str(teacher.checkpoint(which))}
    if isinstance(setting, str) or 'config' not in setting:
        # A zoo name, or a model: none of it applies to the new teacher.
        return {'model.teacher._delete_': 'True', 'model.teacher.config': str(teacher.written_config), **told}
    if not _is_of(setting.config, teacher):
        told['model.teacher.config'] = str(teacher.written_config)
    return told


def _is_of(config: object, teacher: Run) -> bool:
    """Whether the teacher's config that the student names is that of this run, including its changes."""
    try:
        named = Config.fromfile(find(config, by_config=True)) if isinstance(config, str) else None
    except FileNotFoundError:
        return False
    return named is not None and all(
        named.get(key) == teacher.cfg.get(key) for key in ('model', 'data_preprocessor', 'default_scope')
    )


def _check_classes(teacher: Run, student: Run) -> None:
    theirs, own = _num_classes(teacher.cfg), _num_classes(student.cfg)
    if theirs is None or own is None or theirs == own:
        return
    # If the teacher has more classes, the student's are picked by name, if both have names.
    if theirs > own and (names := set(_names(student.cfg))) and names <= set(_names(teacher.cfg)):
        return
    raise ValueError(
        f'{teacher.config} has {theirs} classes, but {student.config}, which learns from it, has {own}. A teacher '
        'needs the classes of its student; if it has more, both datasets need metainfo.classes, and its own must '
        "include the student's."
    )


def _num_classes(cfg: Config) -> int | None:
    """The number of classes of a classifier's network or a detector's box head, if the config tells."""
    for place in HEADS:
        found = cfg.model
        for part in place.split('.'):
            found = found.get(part) or {}
        # A cascade has a head for each stage.
        found = found[0] if isinstance(found, list) else found
        if number := found.get('num_classes'):
            return number
    return None


def _names(cfg: Config) -> Iterator[str]:
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmdet'):
        for _, dataset in config_sources(cfg.train_dataloader.dataset, ''):
            yield from class_names(dataset)
