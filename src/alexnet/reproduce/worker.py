"""The process of one GPU: reads trainings from stdin, a JSON line each, and answers each with a line of results."""

import json
import os
import sys
from pathlib import Path

from alexnet.reproduce.lanes import run_one
from alexnet.reproduce.trial import trial_of


def main() -> None:
    """Work until stdin ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing else may write between the answers
    for line in sys.stdin:
        fields, data = json.loads(line)
        found = run_one(trial_of(fields), Path(data), Path(f"{sys.argv[1]}-{os.getpid()}"), "cuda:0")
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
