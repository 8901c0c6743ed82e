"""The server that most tutorials write: a FastAPI endpoint that decodes one picture and runs the network on it.

    python benchmarks/naive_server.py WEIGHTS PORT

What `benchmarks/serve.py` compares `alexnet serve` with. The same weights and the same steps from picture to input, so
the answers are equal; the network is built of torch's own modules and is asked for one picture at a time, from the
threads in which FastAPI runs a plain `def`. Torch and uvicorn keep their defaults, the log of requests aside.
"""

import sys
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from PIL import Image
from torch import nn

from alexnet.data.picture import to_square
from alexnet.data.views import center_view
from alexnet.inference import Classifier, load
from alexnet.inference.squares import stacked
from alexnet.model.layers import LocalResponseNorm


def plain(classifier: Classifier) -> nn.Module:
    """The network with torch's own norms."""
    net = classifier.model
    for name, layer in list(net.named_children()):
        if isinstance(layer, LocalResponseNorm) and layer.groups == 1:
            setattr(net, name, nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k))
    return net.eval()


def application(classifier: Classifier) -> FastAPI:
    app, net, preprocessing = FastAPI(), plain(classifier), classifier.preprocessing

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/v1/predict")
    def predict(file: UploadFile) -> list[dict[str, Any]]:
        picture = Image.open(file.file).convert("RGB")
        square = stacked([to_square(picture, preprocessing.side, preprocessing.fit)])
        with torch.no_grad():
            images = preprocessing.views(square, lambda images: center_view(images, preprocessing.size))
            probs = net(images).softmax(1)[0]
        best = probs.topk(5)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        top = [{"index": index, "label": classifier.label(index), "prob": prob} for index, prob in pairs]
        return [{"image": file.filename, "top": top}]

    return app


if __name__ == "__main__":
    uvicorn.run(application(load(sys.argv[1], "cpu")), host="127.0.0.1", port=int(sys.argv[2]), access_log=False)
