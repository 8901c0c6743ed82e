"""Whether a file computes here what it computes elsewhere: the same picture through us and through another program."""
