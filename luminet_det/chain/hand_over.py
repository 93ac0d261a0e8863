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
                f'it before, {setting.get("config")}, or set model.teacher.checkpoint.'
            )


def check_pair(teacher: Run, student: Run, which: str) -> None:
    """Refuse two runs of which the second cannot learn from the first.

    Args:
        teacher: The run before.
        student: The run after it.
        which: Whose checkpoint is handed on, 'last' or 'best'.

    Raises:
        ValueError: The student's config has no teacher, or several; its classes are others; the teacher's run keeps
            no best checkpoint; the path of its checkpoint cannot stand in an option.
    """
    setting = student.cfg.model.get('teacher')
    if not setting:
        raise ValueError(
            f'{student.config} has no model.teacher, so that {teacher.config} before it would teach nobody. Put a '
            'config there that distils, or end the chain before it.'
        )
    if isinstance(setting, list | tuple):
        raise ValueError(
            f'{student.config} has {len(setting)} teachers, and the run before hands on one. Write '
            'model.teacher=dict(config=..., checkpoint=...).'
        )
    if which == 'best' and not ((teacher.cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('save_best'):
        raise ValueError(
            f"{teacher.config} keeps no best checkpoint; set default_hooks.checkpoint.save_best, as 'auto', or leave "
            'out --pass-on best.'
        )
    if parse_value(str(teacher.work_dir)) != str(teacher.work_dir):
        raise ValueError(
            f'{str(teacher.work_dir)!r} cannot be handed on as a path; give a --work-dir without commas, brackets and '
            'quotes.'
        )
    _check_classes(teacher, student)


def options(teacher: Run, student: Run, which: str) -> dict[str, str]:
    """The config options by which the student learns from the teacher that has been trained.

    What the student's config says of its teacher besides, such as `dtype`, stays.

    Raises:
        FileNotFoundError: The teacher's run left no such checkpoint.
    """
    setting = student.cfg.model.teacher
    told = {'model.teacher.checkpoint': str(teacher.checkpoint(which))}
    if isinstance(setting, str) or 'config' not in setting:
        # A zoo name, or a model: nothing of it is the new teacher's.
        return {'model.teacher._delete_': 'True', 'model.teacher.config': str(teacher.written_config), **told}
    if not _is_of(setting.config, teacher):
        told['model.teacher.config'] = str(teacher.written_config)
    return told


def _is_of(config: object, teacher: Run) -> bool:
    """Whether the config of a teacher that the student names is that of this run, changes included."""
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
    # More than the student's are gathered by name, where both have names.
    if theirs > own and (names := set(_names(student.cfg))) and names <= set(_names(teacher.cfg)):
        return
    raise ValueError(
        f'{teacher.config} has {theirs} classes and {student.config}, which is to learn from it, {own}. A teacher '
        'needs the classes of its student; of more, metainfo.classes of both datasets must name the same ones.'
    )


def _num_classes(cfg: Config) -> int | None:
    """The classes of a classifier's network or a detector's box head, where the config tells."""
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
