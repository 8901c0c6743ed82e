"""One file per format: bytes on one side, `Weights` on the other."""
