"""DistillClassifier: a classifier that listens to frozen ones on its own images."""

import torch
from torch import Tensor, nn

from luminet_det.classification.classifier import Classifier, check_settings
from luminet_det.classification.models import Outputs
from luminet_det.classification.teacher import ClassifierTeacher
from luminet_det.distillation import Student, Tap, Teacher
from luminet_det.distillation.student import run_info
from luminet_det.distillation.terms import Term
from luminet_det.registry import MODELS

# What a tap gives: one tensor, or one for each stage.
Given = Tensor | tuple[Tensor, ...]


@MODELS.register_module()
class DistillClassifier(Student, Classifier):
    """A classifier that trains beside a frozen teacher.

    It is the student: config, `state_dict` and inference are those of `Classifier`. In training the teacher sees the
    same images, after augmentation, and each term of `distill` compares the two.

    Taps:
        logits: (B, C), with the labels; the teacher's classes in the student's order, by name.
        features: The stages' maps after their last ReLU, the stem's first: a tuple of (B, C_i, H_i, W_i);
            `relu='before'` gives those before it.
        embedding: (B, D), pooled, what the last linear layer sees.

    Where the data set gives several views of an image, cross-entropy and terms are the mean over the views.

    Args:
        *args: As `Classifier`.
        teacher: See `luminet_det.distillation.Teacher`; a list is an ensemble whose outputs are averaged before the
            loss standardises or softens them.
        distill: Terms, e.g. `[dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss'), warmup='20 epochs')]`.
        **kwargs: As `Classifier`.

    Raises:
        ValueError: A setting is unknown, or there are terms but no teacher.
    """

    taps = {
        'logits': Tap('logits'),
        'features': Tap('maps', {'relu': ('after', 'before')}),
        'embedding': Tap('embeddings'),
    }

    def __init__(self, *args, teacher=None, distill=(), **kwargs) -> None:
        check_settings(kwargs, 'teacher', 'distill')
        super().__init__(*args, **kwargs)
        self.listen(teacher, distill)

    def accept(self, teacher: nn.Module) -> None:
        """Only a classifier of this package gives the same taps."""
        if not isinstance(teacher, Classifier):
            raise ValueError(
                f'A classifier learns from a classifier; the teacher is a {type(teacher).__name__}. Wrap its network: '
                "teacher=dict(config=dict(type='luminet_det.Classifier', network=dict(type=...)), checkpoint=...)."
            )

    def meet(self, teacher: Teacher) -> ClassifierTeacher:
        """Map pixels and classes between this student and a built teacher."""
        return ClassifierTeacher(teacher, self, run_info('dataset_meta', {}).get('classes'))

    def loss(self, inputs: Tensor, labels: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of the student and of every term.

        Args:
            inputs: (V * B, 3, H, W), normalised for the student, view-major.
            labels: Class indices (B,), int64.
            index: Place of each image in the data set (B,), int64.

        Returns:
            As `Classifier.loss`, what `weigh` adds for each term, and `agreement`: the part of the images, 0 to 1,
            to which student and teacher give the same class.
        """
        active = self.active_terms()
        if not active:
            self.guard.check()
            own = super().loss(inputs, labels, index)
            return {**own, **self.weigh([], own)}
        self.start()
        found = self.evaluate(inputs, labels, tuple(name for name, *_ in active))
        self.guard.note(found['broken'], Samples(index))
        for name, term, _ in active:
            self.small_batch.watch(name, term, [len(labels)])
        own = {'loss_ce': found['ce'], 'top1': found['top1']}
        values = [(name, term, weight, found[name]) for name, term, weight in active]
        return {**own, **self.weigh(values, own), 'agreement': found['agreement']}

    def objective(self, inputs: Tensor, labels: Tensor, names: tuple[str, ...] = ()) -> dict[str, Tensor]:
        """As `Classifier.objective`, and what terms and teachers say.

        Args:
            inputs: (V * B, 3, H, W), view-major.
            labels: (B,).
            names: The terms that count in this step.

        Returns:
            Also the loss of each of these terms under its name, `agreement`, and `broken` (B,), whether the teachers'
            logits of an image are not finite.
        """
        if not names:
            return super().objective(inputs, labels)
        terms = {name: term for name, term in self._named_terms() if name in names}
        taps = {term.tap for term in terms.values()}
        views = inputs.split(len(labels))
        with torch.no_grad():
            answers = [[link.answer(view, taps) for link in self.links] for view in views]
            logits = [sum(each.logits for each in of_view) / len(of_view) for of_view in answers]
            broken = ~torch.stack([of_view.sum(1, dtype=torch.float32) for of_view in logits]).isfinite().all(0)
            # On a GPU the run is stopped a step later; until then the student must not be spoilt.
            logits = [of_view.masked_fill(broken[:, None], 0) for of_view in logits]
        students = [self.outputs(view) for view in views]
        found = self.supervised([student.logits for student in students], labels)
        heard = [self._heard(student.logits, terms) for student in students]
        for name, term in terms.items():
            if term.tap == 'logits':
                calls = [(own[name], theirs, labels) for own, theirs in zip(heard, logits, strict=True)]
            else:
                pairs = [(own, each) for own, of_view in zip(students, answers, strict=True) for each in of_view]
                calls = [(*comparable(given(own, term), given(each, term), term), None) for own, each in pairs]
            found[name] = sum(term(*call) for call in calls) / len(calls)
        agreement = (found['logits'].argmax(1) == logits[0].argmax(1)).float().mean()
        return {**found, 'agreement': agreement, 'broken': broken}

    def _heard(self, logits: Tensor, terms: dict[str, Term]) -> dict[str, Tensor]:
        """The logits as each term on them reads them, so that its gradient is told from the others'."""
        names = [name for name, term in terms.items() if term.tap == 'logits']
        if self.compile_options is not None:
            return dict.fromkeys(names, logits)
        return self.gradients.watch([logits], lambda rows: rows, names)


def given(outputs: Outputs, term: Term) -> Given:
    """What a term's tap takes from the outputs of a network; ValueError if the network does not give it."""
    name = 'before_relu' if term.options.get('relu') == 'before' else term.tap
    found = getattr(outputs, name)
    if found is None or (name != 'embedding' and not len(found)):
        raise ValueError(
            f"The tap '{term.tap}' is empty: a network of student or teacher returns no {name}. Use the tap 'logits', "
            'or let the network return luminet_det.classification.models.Outputs.'
        )
    return found


def comparable(student: Given, teacher: Given, term: Term) -> tuple[Given, Given]:
    """Both as they are; ValueError if they are not of one shape."""
    shapes = [
        [tuple(t.shape[1:]) for t in (each if isinstance(each, tuple) else (each,))] for each in (student, teacher)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The tap '{term.tap}' gives {shapes[0]} in the student and {shapes[1]} in the teacher; "
            f"{type(term.loss).__name__} compares tensors of one shape. Use the tap 'logits', or networks of one width."
        )
    return student, teacher


class Samples:
    """Names of the images of a batch, made when an error needs them."""

    def __init__(self, index: Tensor | None) -> None:
        self.index = index

    def __getitem__(self, i: int) -> str:
        return f'image {i} of the batch' if self.index is None else f'sample {int(self.index[i])} of the training set'
