"""From a recipe to a trained network: `train` and `finetune`."""
