"""A program whose rank 1 fails as its argument says, while the others wait for it; for test_faults."""

import sys

from alexnet.errors import AlexNetError, UsageError
from alexnet.parallel.launch import gathered


def main(kind: str) -> None:
    with gathered() as team:
        team.wait()
        if team.rank == 1:
            if kind == "mistake":
                raise UsageError("the disk is full. Give another -o.")
            print(1 / 0)
        team.wait()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except AlexNetError as error:  # as the command line does
        if str(error):
            print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
