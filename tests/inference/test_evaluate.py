import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alexnet.data.source import open_pictures
from alexnet.errors import DataError, TooManyUnreadable, UnreadablePicture, UsageError
from alexnet.inference import Classifier, Evaluation, evaluate
from alexnet.weights import save
from oracles.classifiers import LABELS, draw, make_classifier, make_weights, probabilities, squares


class Drawn:
    """Drawn pictures with the labels that a test wants."""

    side = 80

    def __init__(self, labels: list[int], classes: tuple[str, ...] = LABELS, bad: tuple[int, ...] = ()) -> None:
        self.labels = np.array(labels, np.int32)
        self.classes = classes
        self.bad = bad

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int, /) -> str:
        return f"{index}.png"

    def read(self, index: int, /) -> np.ndarray:
        if index in self.bad:
            raise UnreadablePicture(f"{index}.png: it is broken.")
        return np.asarray(squares([draw(index)])[0])


def expected(classifier: Classifier, labels: list[int], skipped: tuple[int, ...] = ()) -> dict[str, Any]:
    """Errors, loss and confusion, counted picture by picture in Python."""
    count = classifier.lineage.num_classes
    confusion = [[0] * count for _ in range(count)]
    top1 = top5 = 0
    loss = 0.0
    looked_at = [index for index in range(len(labels)) if index not in skipped]
    for index in looked_at:
        probs = probabilities(classifier, squares([draw(index)])[0])
        ranked = list(np.argsort(-probs))
        top1 += ranked[0] != labels[index]
        top5 += labels[index] not in ranked[:5]
        loss -= float(np.log(probs[labels[index]]))
        confusion[labels[index]][ranked[0]] += 1
    images = len(looked_at)
    return {
        "images": images, "top1_error": top1 / images, "top5_error": top5 / images, "loss": loss / images,
        "confusion": confusion,
    }  # fmt: skip


def assert_matches(found: Evaluation, counted: dict[str, Any]) -> None:
    assert found.images == counted["images"]
    assert found.top1_error == counted["top1_error"]
    assert found.top5_error == pytest.approx(counted["top5_error"], abs=1e-6)
    assert found.loss == pytest.approx(counted["loss"], rel=1e-4)
    assert [list(row) for row in found.confusion] == counted["confusion"]


TRUTH = [index % 7 for index in range(24)]


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_errors_loss_and_confusion_are_those_counted_one_by_one(classifier: Classifier, batch_size: int) -> None:
    counted = expected(classifier, TRUTH)
    assert 0 < counted["top5_error"] < counted["top1_error"] < 1  # or else little would be tested
    assert_matches(evaluate(classifier, Drawn(TRUTH), batch_size=batch_size), counted)


def test_each_class_is_counted_for_itself(classifier: Classifier) -> None:
    found = evaluate(classifier, Drawn([0, 0, 0, 6, 6, 2]))
    assert [(result.index, result.label, result.images) for result in found.per_class] == [
        (0, "ant", 3), (2, "cat", 1), (6, "gnu", 2),
    ]  # fmt: skip
    for result in found.per_class:
        row = found.confusion[result.index]
        assert result.top1_error == pytest.approx(1 - row[result.index] / sum(row))


def test_classes_are_matched_by_name_whatever_their_order(classifier: Classifier) -> None:
    turned = LABELS[::-1]
    found = evaluate(classifier, Drawn([6 - label for label in TRUTH], turned))
    assert_matches(found, expected(classifier, TRUTH))


def test_data_may_hold_fewer_classes_than_the_network_knows(classifier: Classifier) -> None:
    found = evaluate(classifier, Drawn([0, 1, 0], ("gnu", "bee")))
    assert_matches(found, expected(classifier, [6, 1, 6]))


def test_classes_that_the_network_does_not_know_are_listed_with_a_way_out(classifier: Classifier) -> None:
    with pytest.raises(
        DataError, match=r"drawn\.safetensors does not know 2 of the 3 classes of this data: yak, zebu\. .*finetune"
    ):
        evaluate(classifier, Drawn([0], ("cat", "yak", "zebu")))


def test_a_name_that_two_classes_share_cannot_be_matched() -> None:
    classifier = make_classifier(("crane", "bee", "crane"))
    with pytest.raises(DataError, match="several classes called crane"):
        evaluate(classifier, Drawn([0], ("crane",)))
    assert evaluate(classifier, Drawn([0, 2], ("crane", "bee", "crane"))).images == 2  # the same list needs no matching
    assert evaluate(classifier, Drawn([0], ("bee",))).per_class[0].index == 1


@pytest.mark.parametrize(("labels", "classes"), [((), LABELS), (LABELS, ())])
def test_without_names_on_one_side_classes_are_matched_by_index(
    labels: tuple[str, ...], classes: tuple[str, ...]
) -> None:
    classifier = make_classifier(labels, num_classes=7)
    assert_matches(evaluate(classifier, Drawn(TRUTH, classes)), expected(classifier, TRUTH))
    with pytest.raises(DataError, match="labels up to 7, but the network 7 classes"):
        evaluate(make_classifier((), num_classes=7), Drawn([7], ()))


def test_pictures_without_a_label_are_refused_by_name(classifier: Classifier) -> None:
    with pytest.raises(DataError, match=r"2 of 4 pictures have no label; the first is 1\.png"):
        evaluate(classifier, Drawn([0, -1, 2, -1]))


def test_no_pictures_are_no_evaluation(classifier: Classifier) -> None:
    with pytest.raises(DataError, match="no pictures"):
        evaluate(classifier, Drawn([]))


def test_unreadable_pictures_are_named_and_left_out_of_every_figure(classifier: Classifier) -> None:
    found = evaluate(classifier, Drawn(TRUTH, bad=(3, 11)), batch_size=4)
    assert_matches(found, expected(classifier, TRUTH, skipped=(3, 11)))
    assert found.skipped == (("3.png", "it is broken."), ("11.png", "it is broken."))


def test_too_many_unreadable_pictures_end_it(classifier: Classifier) -> None:
    with pytest.raises(TooManyUnreadable):
        evaluate(classifier, Drawn(TRUTH, bad=tuple(range(12))))


def test_five_classes_have_no_top5_error() -> None:
    classifier = make_classifier(LABELS[:5])
    assert evaluate(classifier, Drawn([0, 4], LABELS[:5])).top5_error is None


def test_ten_views_evaluate_what_ten_views_predict(classifier: Classifier) -> None:
    found = evaluate(classifier, Drawn(TRUTH), views=10, batch_size=30)
    predicted = [prediction.top[0].index for prediction in classifier.predict(map(draw, range(24)), views=10)]
    assert found.views == 10
    assert found.top1_error == pytest.approx(np.mean(np.array(predicted) != TRUTH))


def test_a_network_in_training_goes_on_training(classifier: Classifier) -> None:
    before = evaluate(classifier, Drawn(TRUTH))
    classifier.model.train()
    assert evaluate(classifier, Drawn(TRUTH)) == before
    assert all(module.training for module in classifier.model.modules())


def test_progress_ends_at_the_last_picture(classifier: Classifier) -> None:
    steps: list[tuple[int, int]] = []
    evaluate(classifier, Drawn(TRUTH), batch_size=10, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(10, 24), (20, 24), (24, 24)]


def test_workers_do_not_change_the_result(classifier: Classifier) -> None:
    assert evaluate(classifier, Drawn(TRUTH), workers=1) == evaluate(classifier, Drawn(TRUTH), workers=3)


def test_views_that_nobody_defined_are_refused(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="views is 2"):
        evaluate(classifier, Drawn(TRUTH), views=2)


def test_a_saved_network_and_a_folder_are_evaluated_by_their_paths(
    classifier: Classifier, folder: Path, tmp_path: Path
) -> None:
    opened = evaluate(classifier, open_pictures(folder, None, 80, "short"))
    assert opened.images == 6
    found = evaluate(save(make_weights(), tmp_path / "net"), folder)  # by the faster engine
    assert found.loss == pytest.approx(opened.loss, rel=1e-5)
    assert replace(found, loss=opened.loss) == opened


def test_json_has_the_fields_that_were_promised(classifier: Classifier) -> None:
    found = evaluate(classifier, Drawn(TRUTH, bad=(2,)))
    document = json.loads(json.dumps(found.to_json()))
    assert {"images", "top1_error", "top5_error", "loss", "views", "per_class", "confusion", "skipped"} <= set(document)
    assert document["images"] == 23
    assert document["skipped"] == [{"image": "2.png", "reason": "it is broken."}]
    assert list(document["per_class"][0]) == ["index", "label", "images", "top1_error"]
    assert len(document["confusion"]) == 7
