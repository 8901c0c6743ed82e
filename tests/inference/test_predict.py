import io
import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alexnet.errors import UsageError
from alexnet.inference import Classifier, Prediction, Unreadable, predict_stream
from alexnet.inference.sources import Source
from oracles.classifiers import draw, make_classifier


def names(results: Any) -> list[str]:
    return [result.image for result in results]


def test_a_folder_is_searched_through_in_the_order_of_names(classifier: Classifier, folder: Path) -> None:
    (folder / "notes.txt").write_text("not a picture, and not called one")
    draw(9).save(folder / ".hidden.png")
    (folder / ".thumbnails").mkdir()
    draw(9).save(folder / ".thumbnails" / "0.png")
    (folder / "bee" / "deeper").mkdir()
    draw(9).save(folder / "bee" / "deeper" / "9.PNG")
    found = names(predict_stream(classifier, [folder]))
    inside = ["ant/0.png", "ant/3.png", "bee/1.png", "bee/4.png", "bee/deeper/9.PNG", "cat/2.png", "cat/5.png"]
    assert found == [str(folder / name) for name in inside]


def test_globs_match_files_by_name_at_any_depth(classifier: Classifier, folder: Path) -> None:
    assert names(predict_stream(classifier, f"{folder}/*/[23].png")) == [f"{folder}/ant/3.png", f"{folder}/cat/2.png"]
    assert len(names(predict_stream(classifier, f"{folder}/**/*.png"))) == 6


def test_a_file_whose_name_looks_like_a_glob_is_that_file(classifier: Classifier, tmp_path: Path) -> None:
    draw(0).save(tmp_path / "cat[1].png")
    (result,) = predict_stream(classifier, str(tmp_path / "cat[1].png"))
    assert isinstance(result, Prediction)


def test_files_pictures_and_bytes_are_predicted_alike(classifier: Classifier, folder: Path) -> None:
    path = folder / "ant" / "0.png"
    opened = Image.open(path)
    results = list(predict_stream(classifier, [str(path), path, draw(0), opened, path.read_bytes()]))
    assert names(results) == [str(path), str(path), "picture 2", str(path), "picture 4"]
    tops = [result.top for result in results if isinstance(result, Prediction)]
    assert tops == [tops[0]] * 5


def test_pictures_are_turned_upright(classifier: Classifier) -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    draw(0).transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    assert classifier.predict(buffer.getvalue())[0].top == classifier.predict(draw(0))[0].top


def test_what_cannot_be_read_is_named_in_its_place_and_the_stream_goes_on(classifier: Classifier, folder: Path) -> None:
    (folder / "bee" / "2.jpg").write_bytes(b"")
    (folder / "empty").mkdir()
    sources: list[Source] = [folder / "ant", folder / "gone.png", folder / "empty", f"{folder}/*.gif", folder / "bee"]
    results = list(predict_stream(classifier, sources, batch_size=2))
    assert [result.image.removeprefix(f"{folder}/") for result in results] == [
        "ant/0.png", "ant/3.png", "gone.png", "empty", "*.gif", "bee/1.png", "bee/2.jpg", "bee/4.png",
    ]  # fmt: skip
    reasons = {
        result.image.removeprefix(f"{folder}/"): result.reason for result in results if isinstance(result, Unreadable)
    }
    assert reasons.keys() == {"gone.png", "empty", "*.gif", "bee/2.jpg"}
    assert "No such file" in reasons["gone.png"]
    assert reasons["empty"] == "holds no picture"
    assert reasons["*.gif"] == "matches no file"
    assert "empty" in reasons["bee/2.jpg"]
    assert not any(str(folder) in reason for reason in reasons.values())


def test_unreadable_pictures_do_not_change_what_the_others_get(classifier: Classifier, folder: Path) -> None:
    alone = {result.image: result for result in predict_stream(classifier, folder)}
    for name in ("ant/1.png", "bee/0.png", "cat/9.png"):
        (folder / name).write_bytes(b"GIF89a, says the file")
    mixed = list(predict_stream(classifier, folder, batch_size=4))
    assert len(mixed) == 9
    readable = [result for result in mixed if isinstance(result, Prediction)]
    for result in readable:
        expected = alone[result.image]
        assert isinstance(expected, Prediction)
        assert [guess.index for guess in result.top] == [guess.index for guess in expected.top]
    assert len(readable) == 6


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stream_is_followed_only_a_little_ahead(classifier: Classifier, workers: int) -> None:
    taken = itertools.count()
    seen = 0

    def endless() -> Iterator[Image.Image]:
        nonlocal seen
        for seen in taken:
            yield draw(seen % 3)

    stream = predict_stream(classifier, endless(), batch_size=4, workers=workers)
    for wanted in range(1, 13):
        next(stream)
        assert seen <= -(-wanted // 4) * 4 + 2 * workers
    close(stream)


def test_leaving_a_stream_early_stops_its_threads(classifier: Classifier) -> None:
    before = threading.active_count()
    stream = predict_stream(classifier, (draw(seed % 3) for seed in itertools.count()), batch_size=2)
    next(stream)
    assert threading.active_count() > before
    close(stream)
    assert threading.active_count() == before


def close(stream: Any) -> None:
    stream.close()


def test_settings_are_refused_before_the_first_picture_is_asked_for(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="views is 3"):
        predict_stream(classifier, [], views=3)


def test_no_pictures_are_no_predictions(classifier: Classifier) -> None:
    assert list(predict_stream(classifier, [])) == []


def test_json_has_the_fields_that_were_promised(classifier: Classifier, folder: Path) -> None:
    (prediction,) = classifier.predict(folder / "cat" / "2.png", top=2)
    document = json.loads(json.dumps(prediction.to_json()))
    assert list(document) == ["image", "top"]
    assert document["image"] == str(folder / "cat" / "2.png")
    assert [list(guess) for guess in document["top"]] == [["index", "label", "prob"]] * 2
    assert document["top"][0]["prob"] >= document["top"][1]["prob"]


def test_linked_folders_are_looked_into_and_circles_are_noticed(classifier: Classifier, folder: Path) -> None:
    linked = folder.parent / "linked"
    linked.mkdir()
    (linked / "ant").symlink_to(folder / "ant")
    (folder / "ant" / "back").symlink_to(linked)
    names = [prediction.image for prediction in classifier.predict(linked)]
    assert names == [str(linked / "ant" / name) for name in ("0.png", "3.png")]


def test_a_picture_as_small_as_those_learnt_from_is_enlarged_and_not_blurred() -> None:
    soft, plain = make_classifier(detail=31), make_classifier()
    small = draw(3, 31, 31)
    stored = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None]
    expected = plain.probs(stored)[0].max()  # what training does with stored pictures of that side
    assert soft.predict(small)[0].top[0].prob == pytest.approx(float(expected), rel=1e-5)
    sharp = draw(3, 96, 96)
    shrunk = sharp.resize((31, 31), Image.Resampling.BILINEAR)
    assert soft.predict(sharp)[0].top[0].prob == pytest.approx(soft.predict(shrunk)[0].top[0].prob, abs=0.02)
