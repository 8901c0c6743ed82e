"""How fast it is here: images per second and latency beside plain PyTorch, and as a share of what no version beats."""

from alexnet.bench.feeding import bench_feed
from alexnet.bench.figure import Benchmark, Figure
from alexnet.bench.loading import bench_load
from alexnet.bench.predicting import bench_infer
from alexnet.bench.training import bench_train

__all__ = ["Benchmark", "Figure", "bench_feed", "bench_infer", "bench_load", "bench_train"]
