"""Every error a user can meet, drawn as a tree.

AlexNetError                     exit code 2: the message says what, where and what to do
|-- UsageError                   a flag, a name or a setting that does not exist or does not fit
|   `-- MissingExtra             an optional package is not installed
|-- DataError                    pictures and lists of pictures
|   |-- UnreadablePicture        one file that cannot become a picture
|   |   `-- PictureTooLarge      its header says more pixels than the limit
|   |-- TooManyUnreadable        more bad files than the quota allows
|   `-- ImageTooSmall            a view larger than the picture
|-- WeightsError                 files of weights
|   |-- UnreadableWeights        not a weight file, or a damaged one
|   |-- ShapeMismatch            the weights belong to another network
|   `-- DownloadFailed           a file that could not be fetched, or came and was another
|-- RunError                     run folders and checkpoints
|   |-- RunBusy                  another process is training in this folder
|   |-- RunExists                the folder holds a run, and `--resume` was not given
|   |-- CheckpointDamaged        a checkpoint whose bytes do not match its checksums
|   `-- PeerFailed               another process of the same run has failed; no message if it has spoken
`-- Stopped                      a signal ended the run, its checkpoint is written
    |-- Terminated               SIGTERM: exit code 75, resumable
    `-- Interrupted              Ctrl-C: exit code 130

Whatever is not an AlexNetError is a bug of ours and keeps its traceback.
"""


class AlexNetError(Exception):
    """A mistake that the user can mend; the command line prints it and exits with `exit_code`."""

    exit_code = 2


class UsageError(AlexNetError):
    """A flag, a name or a setting that does not exist or does not fit."""


class MissingExtra(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed. Install it with: pip install 'alexnet[{extra}]'")


class DataError(AlexNetError):
    """Pictures, or a list of pictures, that cannot be used."""


class UnreadablePicture(DataError):
    """One file that cannot become a picture."""


class PictureTooLarge(UnreadablePicture):
    """A picture whose header says more pixels than the limit."""


class TooManyUnreadable(DataError):
    """More bad files than the quota allows."""


class ImageTooSmall(DataError):
    """A view was asked for that is larger than its picture."""


class WeightsError(AlexNetError):
    """A file of weights that cannot be used."""


class UnreadableWeights(WeightsError):
    """Not a weight file, or a damaged one."""


class ShapeMismatch(WeightsError):
    """The weights belong to another network."""


class DownloadFailed(WeightsError):
    """A file that could not be fetched, or came and was another."""


class VerificationFailed(WeightsError):
    """The weights do not compute here what they compute elsewhere."""


class RunError(AlexNetError):
    """A run folder or a checkpoint that cannot be used."""


class RunBusy(RunError):
    """Another process is training in this folder."""


class RunExists(RunError):
    """The folder holds a run already."""


class CheckpointDamaged(RunError):
    """A checkpoint whose bytes do not match its checksums."""


class PeerFailed(RunError):
    """Another process of the same run has failed. Without a message: that one has said why."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Stopped(AlexNetError):
    """A signal ended the run; its checkpoint is written."""


class Terminated(Stopped):
    """SIGTERM arrived: the run can be resumed."""

    exit_code = 75


class Interrupted(Stopped):
    """Ctrl-C arrived: the run can be resumed."""

    exit_code = 130
