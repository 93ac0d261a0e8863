"""DistillClassifier: a classifier that learns from one or more teachers."""

import logging

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from luminet_det.classification.classifier import Classifier, check_settings
from luminet_det.classification.given import comparable, given, parts, require_before_relu, wanted
from luminet_det.classification.label_guard import with_labels
from luminet_det.classification.mutual import mutual_objective
from luminet_det.classification.network import num_logits
from luminet_det.classification.norms import norms_before_relu
from luminet_det.classification.segments import require_segments
from luminet_det.classification.teacher import ClassifierTeacher
from luminet_det.distillation import Student, Tap, Teacher
from luminet_det.distillation.peers import weighed
from luminet_det.distillation.running import run_info, training_hub
from luminet_det.distillation.taps import chosen
from luminet_det.distillation.terms import Given, Term
from luminet_det.losses import LumiNetLoss
from luminet_det.registry import MODELS

OF_IMAGES = ('target', 'index', 'training_labels', 'epoch')


@MODELS.register_module()
class DistillClassifier(Student, Classifier):
    """A classifier that is trained with a frozen teacher.

    The model is the student: config, `state_dict` and inference are those of `Classifier`. During training the teacher
    sees the same images, after augmentation, and each term of `distill` compares the two networks.

    Taps:
        logits: (B, C), with the labels; the teacher's classes are put in the student's order, by name.
        features: The maps of each stage after its last ReLU, stem first: a tuple of (B, C_i, H_i, W_i);
            `relu='before'` gives those before it, `'after-before'` the student's after and the teacher's before it;
            `stages=[1, 2, 3]` selects some; `pooled=True` appends the embedding as a map of one pixel.
        embedding: (B, D), the input of the last linear layer, after pooling.

    Where the dataset gives several views of an image, cross-entropy and terms are averaged over the views.

    With `teacher=dict(config=..., trainable=True)`, or a list of these, the teachers are peers: they train too, each
    with its own cross-entropy and with the terms against all others. See `luminet_det.distillation.peers.Peer`.

    Args:
        *args: As in `Classifier`.
        teacher: See `luminet_det.distillation.Teacher`. A list is an ensemble: its logits are averaged before the loss
            standardises or softens them, and terms on other taps are averaged over the teachers.
        distill: Terms, e.g. `[dict(tap='logits', loss=dict(type='luminet_det.LumiNetLoss'), warmup='20 epochs')]`.
        **kwargs: As in `Classifier`.

    Raises:
        ValueError: A setting is unknown, or there are terms but no teacher.
    """

    taps = {
        'logits': Tap('logits', offers=OF_IMAGES, views=True, softmax=True),
        'features': Tap(
            'maps',
            {'relu': ('after', 'before', 'after-before'), 'stages': ('all', list), 'pooled': (False, True)},
            offers=(*OF_IMAGES, 'norms', 'networks'),
        ),
        'embedding': Tap('embeddings', offers=OF_IMAGES),
    }

    def __init__(self, *args, teacher=None, distill=None, **kwargs) -> None:
        check_settings(kwargs, 'teacher', 'distill')
        super().__init__(*args, **kwargs)
        self.listen(teacher, distill)
        if not self.scale_is_fixed:
            print_log(
                "model.ce_weight is 0, and LumiNetLoss ignores the scale and the offset of each class's logits, so the "
                'largest logit need not be that of the right class. Set model.ce_weight=1.0 or 2.0, as published.',
                logger='current',
                level=logging.WARNING,
            )

    @property
    def scale_is_fixed(self) -> bool:
        """Whether a loss depends on the scale and offset of each class's logits, which LumiNet does not."""
        on_logits = [term.loss for term in self.terms if term.tap == 'logits' and term.loss_weight]
        return bool(self.ce_weight) or not on_logits or any(not isinstance(loss, LumiNetLoss) for loss in on_logits)

    def accept(self, teacher: nn.Module) -> None:
        """Raise ValueError unless the teacher is a classifier of this package: only those have the same taps."""
        if not isinstance(teacher, Classifier):
            raise ValueError(
                f'A classifier learns from a classifier; the teacher is a {type(teacher).__name__}. Wrap its network: '
                "teacher=dict(config=dict(type='luminet_det.Classifier', network=dict(type=...)), checkpoint=...)."
            )

    def meet(self, teacher: Teacher) -> ClassifierTeacher:
        """Map pixels and classes between this student and a built teacher, if both provide what the terms need."""
        # The student's own classes must be right before the teacher's are compared with them.
        self.check_classes(
            num_logits(self.network),
            " (Counted by the network's attribute num_classes or, without one, on its last linear layer; "
            'if that layer does not give the logits, add the attribute.)',
        )
        for term in self.terms:
            for model, part in zip((self, teacher.model), parts(term), strict=True):
                require_before_relu(model.network, term, part)
        compares_classes = self.is_mutual or any(
            term.tap == 'logits' or 'networks' in term.needs for term in self.terms
        )
        return ClassifierTeacher(teacher, self, run_info('dataset_meta', {}).get('classes'), compares_classes)

    def example(self, term: Term, teacher: Classifier) -> tuple[Given, Given]:
        """What the term's tap gives, of student and teacher, for one image of zeros."""
        image = next(self.parameters()).new_zeros(1, 3, self.image_size, self.image_size)
        if 'networks' in term.needs:
            for model in (self, teacher):
                require_segments(model.network)
        try:
            outputs = [model.outputs(image) for model in (self, teacher)]
        except ValueError as error:
            loss = type(term.loss).__name__
            raise ValueError(
                f'{error} {loss} learns layers whose shapes were determined on images of {self.image_size} px: if '
                'yours have another size, set model.image_size to it.'
            ) from error
        maps = (given(each, term, name) for each, name in zip(outputs, parts(term), strict=True))
        found = comparable(*maps, term)
        return found if term.takes_levels or term.tap != 'features' else tuple(stages[0] for stages in found)

    def loss(self, inputs: Tensor, labels: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """Losses of the student and of every term.

        Args:
            inputs: (V * B, 3, H, W), normalised for the student, view-major.
            labels: Class indices (B,), int64.
            index: Index of each image in the dataset (B,), int64.

        Returns:
            As `Classifier.loss`, what `weigh` adds for each term, and, where the teacher knows the student's classes,
            `agreement`: the fraction of the images, 0 to 1, for which both predict the same class.
        """
        active = self.active_terms()
        if not active and not self.is_mutual:
            self.guard.check()
            own = super().loss(inputs, labels, index)
            return {**own, **self.weigh([], own)}
        self.start()
        handed = self._handed([term for _, term, _ in active], labels, index)
        found = self.run_objective(inputs, labels, index, tuple(name for name, *_ in active), handed)
        if not self.is_mutual:
            self.guard.note(found['broken'], Samples(index))
        for name, term, _ in active:
            self.small_batch.watch(name, term, [len(labels)])
        own = {'loss_ce': found['ce'], 'top1': found['top1']}
        values = [(name, term, weight, found[name]) for name, term, weight in active]
        of_peers = weighed(found, {name: weight for name, _, weight in active})
        losses = {**own, **self.weigh(values, own), **of_peers}
        return losses | {'agreement': found['agreement']} if 'agreement' in found else losses

    def objective(
        self, inputs: Tensor, labels: Tensor, names: tuple[str, ...] = (), handed: dict | None = None
    ) -> dict[str, Tensor]:
        """As `Classifier.objective`, with the losses of the terms.

        Args:
            inputs: (V * B, 3, H, W), view-major.
            labels: (B,).
            names: The terms that are active in this step.
            handed: What the taps pass to the losses, by the names of `taps.NEEDS`.

        Returns:
            Also the loss of each of these terms under its name, `agreement` as in `loss`, and `broken` (B,): whether
            the teachers' logits for an image are not finite.
        """
        terms = {name: term for name, term in self._named_terms() if name in names}
        views = inputs.split(len(labels))
        if self.is_mutual:
            return mutual_objective(self, self.links, views, labels, terms, handed)
        if not names:
            return super().objective(inputs, labels)
        with torch.no_grad():
            parts_wanted = wanted(list(terms.values()))
            answers = [[link.answer(view, parts_wanted) for link in self.links] for view in views]
            said = [each.logits.sum(1, dtype=torch.float32) for of_view in answers for each in of_view]
            broken = ~torch.stack(said).isfinite().all(0)
            same_classes = all(link.classes for link in self.links)
            logits = [
                sum(each.logits for each in of_view) / len(of_view) if same_classes else of_view[0].logits
                for of_view in answers
            ]
            # On a GPU the run stops only a step later; until then such logits must not damage the student.
            logits = [of_view.masked_fill(broken[:, None], 0) for of_view in logits]
        students = [self.outputs(view) for view in views]
        found = self.supervised([student.logits for student in students], labels)
        handed = with_labels(handed, found['labels'])
        heard = [self._heard(student.logits, terms) for student in students]
        for name, term in terms.items():
            own, theirs = parts(term)
            if term.takes_views:
                calls = [(tuple(of_view[name] for of_view in heard), tuple(logits), None)]
            elif term.tap == 'logits':
                calls = [(of_view[name], theirs, None) for of_view, theirs in zip(heard, logits, strict=True)]
            else:
                pairs = [
                    (given(student, term, own), given(each, term, theirs), link)
                    for student, of_view in zip(students, answers, strict=True)
                    for each, link in zip(of_view, self.links, strict=True)
                ]
                calls = [(*comparable(*both, term), link) for *both, link in pairs]
            losses = [term(*both, **self._of_link(term, handed, link)) for *both, link in calls]
            found[name] = sum(losses) / len(losses)
        if same_classes:
            found['agreement'] = (found['logits'].argmax(1) == logits[0].argmax(1)).float().mean()
        return {**found, 'broken': broken}

    def _handed(self, terms: list[Term], labels: Tensor, index: Tensor | None) -> dict:
        """What these terms need from the run and the batch."""
        needs = {need for term in terms for need in term.needs}
        epoch = run_info('epoch', 0)
        if self.compile_options is not None:
            # A Python number would become a constant of the compiled step, which every epoch would recompile.
            epoch = torch.tensor(epoch)
        handed: dict = {'target': labels, 'index': index, 'epoch': epoch}
        if 'index' in needs and index is None:
            raise ValueError(
                'A loss of `distill` needs the index of each image in the training set, and the dataset does not give '
                'it: its samples need an `index` in addition to `inputs` and `labels`, as those of luminet_det have.'
            )
        if 'training_labels' in needs:
            known = run_info('training_labels')
            if known is None:
                raise ValueError(
                    'A loss of `distill` needs the class of every image of the training set. Add '
                    "dict(type='luminet_det.TrainingLabelsHook') to custom_hooks."
                )
            if known.device != labels.device:
                # Moved only once: a loss recognises the labels that it has already read by their tensor.
                known = known.to(labels.device)
                training_hub().runtime_info['training_labels'] = known
            handed['training_labels'] = known
        # A compiled step must not depend on values that no term needs.
        return {need: value for need, value in handed.items() if need in needs}

    def _of_link(self, term: Term, handed: dict, link: ClassifierTeacher | None) -> dict:
        """`handed`, with what the term needs from one teacher."""
        of_link = dict(handed)
        if 'norms' in term.needs:
            norms = norms_before_relu(link.teacher.model.network)
            of_link['norms'] = chosen('features', 'stages', term.options['stages'], norms)
        if 'networks' in term.needs:
            of_link['networks'] = link.networks
        return of_link

    def _heard(self, logits: Tensor, terms: dict[str, Term]) -> dict[str, Tensor]:
        """The logits for each term on them, such that the gradients of the terms can be told apart."""
        names = [name for name, term in terms.items() if term.tap == 'logits']
        if self.compile_options is not None:
            return dict.fromkeys(names, logits)
        return self.gradients.watch([logits], lambda rows: rows, names)


class Samples:
    """Names of the images of a batch, made when an error needs them."""

    def __init__(self, index: Tensor | None) -> None:
        self.index = index

    def __getitem__(self, i: int) -> str:
        return f'image {i} of the batch' if self.index is None else f'sample {int(self.index[i])} of the training set'
