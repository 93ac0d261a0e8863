"""TeacherEvaluationHook: scores the teacher before the first step, and logs the student's gap to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

from luminet_det.dataset_config import common_classes
from luminet_det.registry import HOOKS
from luminet_det.unwrapped import unwrapped

INFO = 'teacher_evaluation'
REFUSED = 'refused'
POOR = 0.05  # a teacher below this AP, or this part of the way from chance to 100%, is as good as untrained


@HOOKS.register_module()
class TeacherEvaluationHook(Hook):
    """Evaluate each teacher on the validation set before training starts, and compare the student with the best.

    A teacher that was loaded strictly may still be a bad one for this data. Its score is logged before training, and
    after every validation of the student both scores and the gap are logged, also as scalars `teacher/<metric>` and
    `gap/<metric>`. The student's metrics and best checkpoint are not touched. Detections of classes that the student
    does not have are left out, so the score is on the student's classes.

    Every process takes part, as in any validation. A resumed run takes the scores from its checkpoint.

    Args:
        minimum: The score that each teacher must reach, e.g. `{'accuracy/top1': 70.0}`; none by default.

    Raises:
        ValueError: Before the first step, if a teacher is below `minimum`, or the metric is not measured, as without
            validation.
    """

    # Before the LoggerHook, which writes what the message hub contains after a validation.
    priority = 'NORMAL'

    def __init__(self, minimum: dict[str, float] | None = None) -> None:
        if not isinstance(minimum, Mapping | None):
            raise ValueError(
                'TeacherEvaluationHook.minimum maps each metric to the score that a teacher must reach, as in '
                f"{{'accuracy/top1': 70.0}}; got {minimum!r}."
            )
        self.minimum = minimum or {}
        self._scores: dict[str, dict[str, float]] = {}

    def before_train(self, runner: Runner) -> None:
        """Evaluate the teachers, or take their scores from the checkpoint that is resumed."""
        student = unwrapped(runner.model)
        if not getattr(student, 'terms', None):
            runner.logger.warning('TeacherEvaluationHook has no teacher to evaluate: the model does not distil.')
            return
        if student.is_mutual:
            runner.logger.warning('TeacherEvaluationHook has no teacher to evaluate: peers train beside the student.')
            return
        if runner.val_loop is None:
            reason = 'TeacherEvaluationHook has nothing to evaluate on: the config has no val_dataloader.'
            if self.minimum:
                raise ValueError(f'{reason} Add one, or remove minimum={self.minimum}, which needs it.')
            runner.logger.warning(reason)
            return
        if getattr(runner.val_loop.dataloader.dataset, 'part', 'train') == 'held-out':
            runner.logger.warning(
                'The validation images are held out of the training set. A teacher that was not trained with the same '
                '--val-split has seen them in training: its score, minimum and gap say little here.'
            )
        student.start()
        kept = runner.message_hub.get_info(INFO, {})
        scores = {}
        for i, teacher in enumerate(student.teachers):
            key = ' '.join(map(str, (i, teacher.name, teacher.checkpoint, teacher.dtype, runner.cfg.val_dataloader)))
            scores[key] = kept[key] if key in kept else self._evaluate(runner, student, teacher)
            if scores[key]:
                listed = ', '.join(f'{name} {value:.3f}' for name, value in scores[key].items())
                source = ', from the checkpoint' if key in kept else ''
                runner.logger.info(f'Teacher {teacher.name} on the validation set{source}: {listed}')
                self._doubt(runner, teacher.name, scores[key])
            self._require(teacher.name, scores[key])
        # The hub is saved in checkpoints.
        runner.message_hub.update_info(INFO, scores)
        self._scores = {
            f'{i}' if len(scores) > 1 else '': found for i, found in enumerate(scores.values(), start=1) if found
        }

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Log teacher, student and gap for the leading metrics."""
        for name in _leading(metrics or {}):
            known = {which: scores[name] for which, scores in self._scores.items() if name in scores}
            if not known:
                continue
            which, student = max(known, key=known.get), metrics[name]
            teacher = known[which]
            part = f' ({student / teacher:.0%} of the teacher)' if teacher > 0 else ''
            best = f'teacher {which}'.strip()
            runner.logger.info(f'student {name} {student:.3f}, {best} {teacher:.3f}, gap {teacher - student:.3f}{part}')
            runner.message_hub.update_scalar(f'val/teacher/{name}', teacher)
            runner.message_hub.update_scalar(f'val/gap/{name}', teacher - student)

    @staticmethod
    def _doubt(runner: Runner, name: str, scores: dict[str, float]) -> None:
        """Warn of a teacher that finds next to nothing here, or only guesses; to refuse one, set `minimum`."""
        classes = common_classes(runner.val_loop.dataloader.dataset.metainfo) or ()
        for metric in _leading(scores):
            score, lowest = scores[metric], POOR
            if metric.endswith('top1') and len(classes) > 1:
                chance = 100 / len(classes)
                lowest = chance + POOR * (100 - chance)
            elif not metric.endswith('mAP'):
                continue
            if 0 <= score < lowest:
                runner.logger.warning(
                    f'The teacher {name} reaches {metric} {score:.3f}: a student has nothing to learn from '
                    'it. Check that model.teacher.checkpoint has trained weights, and that classes and pixel '
                    'normalisation of the teacher fit this data.'
                )

    def _require(self, name: str, scores: dict[str, float]) -> None:
        for metric, wanted in self.minimum.items():
            if metric not in scores:
                raise ValueError(
                    f'TeacherEvaluationHook.minimum names {metric!r}, which was not measured on the teacher {name}; '
                    f'known: {", ".join(scores) or "none"}.'
                )
            if scores[metric] < wanted:
                raise ValueError(
                    f'The teacher {name} reaches {metric} {scores[metric]:.2f} on the validation set, below the '
                    f'{wanted:g} that custom_hooks requires: a student would learn its mistakes. Give better weights '
                    'in model.teacher.checkpoint, or lower TeacherEvaluationHook.minimum.'
                )

    @staticmethod
    def _evaluate(runner: Runner, student: torch.nn.Module, teacher) -> dict[str, float]:
        dataloader, evaluator = runner.val_loop.dataloader, runner.val_loop.evaluator
        classes = _Classes(teacher.classes, common_classes(dataloader.dataset.metainfo))
        if classes.missing:
            runner.logger.warning(
                f'Teacher {teacher.name} is not evaluated: it does not know {", ".join(classes.missing[:5])} of the '
                f'classes of the validation set.'
            )
            return {}
        # mmdet's test path only supports float32; `follow` restores the precision of training.
        teacher.model.float()
        # Iterating over a loader draws a seed; the student's random numbers must not change.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            for batch in dataloader:
                outputs = teacher.model.val_step(batch)
                for sample in outputs:
                    classes.translate(sample)
                evaluator.process(data_samples=outputs, data_batch=batch)
        teacher.follow(student)
        with _answered(evaluator):
            metrics = evaluator.evaluate(len(dataloader.dataset))
        if refused := [value for name, value in metrics.items() if name.endswith(REFUSED)]:
            runner.logger.warning(
                f'Teacher {teacher.name} is not evaluated: val_evaluator needs what the teacher does not predict, '
                f'{refused[0]}.'
            )
            return {}
        return {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}


@contextmanager
def _answered(evaluator: Evaluator) -> Iterator[None]:
    """Have a metric return `REFUSED` instead of raising an error if detections lack what it needs, such as masks.

    Only the first process computes metrics, and an error there would leave the others waiting for the result.
    """

    def or_refusal(compute: Callable[[list], dict], results: list) -> dict:
        try:
            return compute(results)
        except KeyError as error:
            return {REFUSED: str(error)}

    for metric in evaluator.metrics:
        metric.compute_metrics = partial(or_refusal, metric.compute_metrics)
    try:
        yield
    finally:
        for metric in evaluator.metrics:
            del metric.compute_metrics


class _Classes:
    """Maps the teacher's classes to those of the validation set by name; by position if either has no names.

    The link's `ClassMap` does not serve: a teacher of which only features are compared has none.
    """

    def __init__(self, teacher: Sequence[str] | None, student: Sequence[str] | None) -> None:
        self.missing = [name for name in student or () if teacher and name not in teacher]
        self.identity = not teacher or not student or tuple(teacher) == tuple(student)
        if not self.identity and not self.missing:
            places = {name: i for i, name in enumerate(student)}
            self.labels = torch.tensor([places.get(name, -1) for name in teacher])
            self.columns = torch.tensor([list(teacher).index(name) for name in student])

    def translate(self, sample: BaseDataElement | dict) -> None:
        """Change a detector's detections, or a classifier's logits, in place."""
        if isinstance(sample, dict):
            sample['logits'] = self.of_logits(sample['logits'])
        else:
            sample.pred_instances = self.of_student(sample.pred_instances)

    def of_logits(self, logits: Tensor) -> Tensor:
        """The columns (B, C_student) of the student's classes, in its order."""
        return logits if self.identity else logits[:, self.columns.to(logits.device)]

    def of_student(self, predictions: InstanceData) -> InstanceData:
        """Detections with the student's labels; those of classes that it does not have are left out."""
        if self.identity:
            return predictions
        predictions.labels = self.labels.to(predictions.labels.device)[predictions.labels]
        return predictions[predictions.labels >= 0]


def _leading(metrics: dict[str, float]) -> list[str]:
    """The mean AP of boxes, and of masks where there are some; the first metric where there is no mean AP."""
    scalars = [name for name, value in metrics.items() if isinstance(value, (int, float))]
    return [name for name in scalars if name.endswith('mAP')] or scalars[:1]
