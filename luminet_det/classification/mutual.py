"""A training step of classifiers that teach each other."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from luminet_det.classification.classifier import Classifier
from luminet_det.classification.label_guard import with_labels
from luminet_det.classification.teacher import ClassifierTeacher
from luminet_det.distillation.peers import mutual
from luminet_det.distillation.terms import Term


def mutual_objective(
    student: Classifier,
    links: Sequence[ClassifierTeacher],
    views: Sequence[Tensor],
    labels: Tensor,
    terms: Mapping[str, Term],
    handed: Mapping | None,
) -> dict[str, Tensor]:
    """Each network's own losses, and each term between every two networks.

    Args:
        student: The student.
        links: Its peers.
        views: One (B, 3, H, W) for each view.
        labels: (B,).
        terms: The terms that are active in this step, by name.
        handed: What the taps pass to their losses.

    Returns:
        The student's entries, as in `Classifier.objective` and under the terms' names; those of the first peer,
        `peer1_loss_ce`, `peer1_top1` and `peer1_loss_<term>`, and so on; and `agreement` of the student with the
        first peer.
    """
    logits = [[student.outputs(view).logits for view in views]]
    logits += [[link.learn(view) for view in views] for link in links]
    networks = [student, *(link.teacher.model for link in links)]
    found, *of_peers = (network.supervised(own, labels) for network, own in zip(networks, logits, strict=True))
    handed = with_labels(handed, found['labels'])
    for number, of_peer in enumerate(of_peers, start=1):
        found |= {f'peer{number}_loss_ce': of_peer['ce'], f'peer{number}_top1': of_peer['top1']}
    for name, term in terms.items():
        calls = [list(map(tuple, logits))] if term.takes_views else list(zip(*logits, strict=True))
        losses = [mutual(term, rows, **handed) for rows in calls]
        found[name], *theirs = (sum(of_network) / len(calls) for of_network in zip(*losses, strict=True))
        found |= {f'peer{number}_loss_{name}': loss for number, loss in enumerate(theirs, start=1)}
    same = logits[0][0].argmax(1) == logits[1][0].argmax(1)
    return {**found, 'agreement': same.float().mean()}
