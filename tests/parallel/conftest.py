from train.conftest import textures  # noqa: F401
