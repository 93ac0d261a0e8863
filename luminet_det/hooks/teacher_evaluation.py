"""TeacherEvaluationHook: the teacher's own score before the first step."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from luminet_det.registry import HOOKS


@HOOKS.register_module()
class TeacherEvaluationHook(Hook):
    """Evaluate each teacher on the validation set before training starts.

    A teacher that was loaded strictly may still be a bad one for this data. Its score stands in the log beside
    the announcement; the student's best checkpoint and metrics are not touched. Detections of classes that the
    student does not have are left out, so the score is on the student's classes.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        student = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not getattr(student, 'terms', None):
            runner.logger.warning('TeacherEvaluationHook has no teacher to evaluate: the model does not distil.')
            return
        if runner.val_loop is None:
            runner.logger.warning('TeacherEvaluationHook has nothing to evaluate on: the config has no val_dataloader.')
            return
        student.start()
        dataloader, evaluator = runner.val_loop.dataloader, runner.val_loop.evaluator
        for teacher, link in zip(student.teachers, student.links, strict=True):
            # mmdet's test path knows no other precision; `follow` brings back that of the training.
            teacher.model.float()
            for batch in dataloader:
                outputs = teacher.model.val_step(batch)
                for sample in outputs:
                    sample.pred_instances = link.classes.student_instances(sample.pred_instances)
                evaluator.process(data_samples=outputs, data_batch=batch)
            teacher.follow(student)
            metrics = evaluator.evaluate(len(dataloader.dataset))
            scores = ', '.join(f'{name} {value:.3f}' for name, value in metrics.items())
            runner.logger.info(f'Teacher {teacher.name} on the validation set: {scores}')
