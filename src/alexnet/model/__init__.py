"""A table becomes a network."""

from alexnet.model.build import AlexNet, build
from alexnet.model.init import initialize
from alexnet.model.layers import Dropout, set_dropout_generator, set_dropout_slots

__all__ = ["AlexNet", "Dropout", "build", "initialize", "set_dropout_generator", "set_dropout_slots"]
