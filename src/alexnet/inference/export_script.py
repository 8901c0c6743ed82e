"""A program of a few lines that classifies pictures without this package: numpy, onnxruntime and Pillow."""

from pathlib import Path

from alexnet.inference.classifier import Classifier

SCRIPT = '''\
"""Say what is on pictures: python {name} PICTURE...

{title}, in {model} beside this file. Needs numpy, onnxruntime and pillow.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(Path(__file__).with_name("{model}"), providers=["CPUExecutionProvider"])
labels = json.loads(session.get_modelmeta().custom_metadata_map["alexnet"])["labels"]


def pixels(path):
    """An upright picture as (1, H, W, 3) uint8 RGB; what is transparent becomes white. The graph does the rest."""
    picture = ImageOps.exif_transpose(Image.open(path))
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))[None]


for path in sys.argv[1:]:
    probs = session.run(["probs"], {{"pictures": pixels(path)}})[0][0]
    print(path)
    for index in np.argsort(-probs)[:5]:
        print(f"  {{probs[index]:6.1%}}  {{labels[index] if labels else f'class {{index}}'}}")
'''


def script(classifier: Classifier, path: Path) -> str:
    """The text of a program at `path` that uses the ONNX file of the same name beside it."""
    return SCRIPT.format(name=path.name, title=classifier.lineage.title, model=path.with_suffix(".onnx").name)
