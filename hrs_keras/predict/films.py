"""Label maps of a video: films of the pictures, and a file a frame for what a film would not keep exactly."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from hrs_keras.media.label_maps import LabelMap, LabelMapFolders, make_folder
from hrs_keras.media.video import Video, VideoWriter

_FILMED = ("colour", "overlay")


@contextmanager
def film(folders: LabelMapFolders, name: str, video: Video) -> Iterator[Callable[[int, LabelMap], None]]:
    """A context with a function to write one frame after the other, from its time (``video.time_base``) and label map.

    Pictures go to ``colour/NAME.mp4`` and ``overlay/NAME.mp4``, which appear when the context is left, or not at all
    if an error leaves it. Ids, confidence and probabilities go to ``FOLDER/NAME/frame_0000000.png`` or ``.npy``,
    counted from 0.

    Raises:
        HRSError: a file or folder cannot be written; the function raises it too.
    """
    count, writers = 0, {}
    with ExitStack() as opened:

        def write(time: int, predicted: LabelMap) -> None:
            nonlocal count
            if not count:  # only now: a video without frames leaves nothing behind
                for kind in folders.suffixes:
                    if kind not in _FILMED:
                        make_folder(folders.out / kind / name)
                for kind in _FILMED:
                    path, size = folders.out / kind / f"{name}.mp4", predicted.ids.shape
                    writers[kind] = opened.enter_context(VideoWriter(path, size, video.time_base, video.rate))
            contents = folders.contents(predicted)
            for kind, writer in writers.items():
                writer.write(time, contents.pop(kind))
            folders.store(f"{name}/frame_{count:07d}", contents)
            count += 1

        yield write
