"""What the routes share: the network, its queue, how much may be asked, and what was."""

from alexnet.inference import Classifier
from alexnet.inference.index import Index
from alexnet.serve.admission import Admission
from alexnet.serve.batches import Batches
from alexnet.serve.jobs import Jobs
from alexnet.serve.limits import Limits
from alexnet.serve.metrics import Metrics


class Desk:
    """One of each, for one server."""

    def __init__(self, classifier: Classifier, limits: Limits, index: Index | None = None) -> None:
        self.classifier, self.limits, self.index = classifier, limits, index
        self.admission, self.metrics = Admission(limits), Metrics()
        self.batches = Batches(classifier, self.admission, self.metrics)
        self.jobs = Jobs(limits)
        self.metrics.gauges |= self.admission.gauges() | self.jobs.gauges()
