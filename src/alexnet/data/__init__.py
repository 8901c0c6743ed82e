"""From a folder, a list or shards of pictures to batches: the rooms up to `prepare` need numpy and Pillow only."""
