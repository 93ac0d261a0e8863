"""Scores: the numbers in the table."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from luminet_det.classification.accuracy import Accuracy
from luminet_det.classification.analysis.answers import Answers
from luminet_det.classification.analysis.calibration import calibration
from luminet_det.classification.analysis.correlation import correlation_difference, mean_difference

# Name, what the table calls it, decimals, whether higher is better (None: neither).
COLUMNS = (
    ('top1', 'top-1, %', 2, True),
    ('top5', 'top-5, %', 2, True),
    ('ece', 'ECE, %', 2, False),
    ('nll', 'NLL, nats', 3, False),
    ('agreement', 'agrees with teacher, %', 2, True),
    ('correlation_difference', 'mean correlation difference', 4, False),
)


def agreement(one: Tensor, other: Tensor) -> float:
    """Percentage of images for which two networks predict the same class; both are logits (N, C)."""
    return 100 * (one.argmax(1) == other.argmax(1)).double().mean().item()


def scores(answers: Answers, teacher: Answers | None = None) -> dict[str, float]:
    """The numbers of one network.

    Args:
        answers: The network's answers.
        teacher: Its teacher's answers to the same images; without them the last two numbers are left out.

    Returns:
        `top1`, `top5`, `ece` in percent, `nll` in nats, `agreement` in percent, `correlation_difference`.
    """
    metric = Accuracy()
    metric.process({}, [dict(logits=answers.logits, labels=answers.labels)])
    found = metric.compute_metrics(metric.results)
    found['ece'] = 100 * calibration(answers.logits, answers.labels).error
    found['nll'] = cross_entropy(answers.logits.double(), answers.labels).item()
    if teacher is not None:
        found['agreement'] = agreement(answers.logits, teacher.logits)
        found['correlation_difference'] = mean_difference(correlation_difference(teacher.logits, answers.logits))
    return found
