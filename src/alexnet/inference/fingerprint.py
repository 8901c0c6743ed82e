"""Which network made a feature: a digest that stays the same in whatever file the network is kept."""

import hashlib
import json

import numpy as np

from alexnet.inference.classifier import Classifier


def fingerprint(classifier: Classifier) -> str:
    """Sha256, in hexadecimal, over all that decides what a picture becomes: tensors, lineage and preprocessing.

    Labels, provenance and file format are left out: they change no feature.
    """
    lineage, preprocessing = classifier.lineage, classifier.preprocessing
    said = {"lineage": lineage.name, "changes": list(lineage.changes), "preprocessing": preprocessing.to_dict()}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode())
    if preprocessing.mean_image is not None:
        digest.update(np.ascontiguousarray(preprocessing.mean_image, dtype="<f4").data)
    for name, tensor in sorted(classifier.model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().float().cpu().numpy(), dtype="<f4").data)
    return digest.hexdigest()
