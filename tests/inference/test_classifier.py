from pathlib import Path

import numpy as np
import pytest
import torch

from alexnet.errors import UnreadablePicture, UsageError
from alexnet.inference import Classifier, load
from alexnet.weights import save
from oracles.classifiers import LABELS, draw, make_classifier, make_weights, probabilities, squares


def test_a_loaded_network_computes_what_the_saved_one_did(classifier: Classifier, tmp_path: Path) -> None:
    loaded = load(save(make_weights(), tmp_path), device="cpu")
    images = torch.from_numpy(squares([draw(seed) for seed in range(3)])).permute(0, 3, 1, 2)
    torch.testing.assert_close(loaded.probs(images), classifier.probs(images), rtol=1e-5, atol=1e-7)
    assert loaded.labels == LABELS
    assert loaded.source == str(tmp_path)


def test_probabilities_are_those_of_the_steps_taken_one_by_one(classifier: Classifier) -> None:
    stored = squares([draw(seed) for seed in range(4)])
    found = classifier.probs(torch.from_numpy(stored).permute(0, 3, 1, 2)).numpy()
    expected = np.stack([probabilities(classifier, square) for square in stored])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    assert len(set(found.argmax(axis=1))) > 1  # pictures that all look alike would prove nothing


def test_ten_views_are_the_mean_of_ten_softmaxes(classifier: Classifier) -> None:
    stored = squares([draw(5)])
    corners = [(0, 0), (0, 13), (13, 0), (13, 13), (6, 6)]
    padded = [np.zeros((80, 80, 3), np.uint8) for _ in range(10)]
    for index, (top, left) in enumerate(corners):  # each view put where the oracle looks: in the centre
        view = stored[0, top : top + 67, left : left + 67]
        padded[index][6:73, 6:73] = view
        padded[index + 5][6:73, 6:73] = view[:, ::-1]
    expected = np.mean([probabilities(classifier, square) for square in padded], axis=0)
    found = classifier.probs(torch.from_numpy(stored).permute(0, 3, 1, 2), views=10)[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    one = classifier.probs(torch.from_numpy(stored).permute(0, 3, 1, 2))[0].numpy()
    assert np.abs(found - one).max() > 1e-3


def test_dropout_is_off_in_whatever_mode_the_network_is_and_the_mode_is_kept(classifier: Classifier) -> None:
    images = torch.from_numpy(squares([draw(1)])).permute(0, 3, 1, 2)
    at_rest = classifier.probs(images)
    classifier.model.train()
    classifier.model.get_submodule("conv1").eval()
    assert torch.equal(classifier.probs(images), at_rest)
    modes = {name for name, module in classifier.model.named_children() if not module.training}
    assert classifier.model.training
    assert modes == {"conv1"}


def test_preprocessing_is_that_of_the_weights() -> None:
    stored = torch.from_numpy(squares([draw(2)])).permute(0, 3, 1, 2)
    rgb, bgr = make_classifier(mean=(100.0,) * 3), make_classifier(mean=(100.0,) * 3, order="BGR")
    assert torch.equal(bgr.probs(stored.flip(1)), rgb.probs(stored))
    assert not torch.allclose(bgr.probs(stored), rgb.probs(stored))


def test_loading_draws_no_random_weights(tmp_path: Path) -> None:
    save(make_weights(), tmp_path)
    before = torch.get_rng_state()
    load(tmp_path, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_classifier_of_a_network_in_training_shares_its_weights() -> None:
    weights = make_weights()
    classifier = Classifier.of(weights, torch.device("cpu"))
    assert classifier.model.get_parameter("fc8.weight").data_ptr() == weights.tensors["fc8.weight"].data_ptr()


def test_guesses_carry_index_label_and_probability(classifier: Classifier) -> None:
    (prediction,) = classifier.predict(draw(3), top=7)
    expected = probabilities(classifier, squares([draw(3)])[0])
    assert [guess.index for guess in prediction.top] == list(np.argsort(-expected))
    assert [guess.label for guess in prediction.top] == [LABELS[index] for index in np.argsort(-expected)]
    np.testing.assert_allclose([guess.prob for guess in prediction.top], np.sort(expected)[::-1], rtol=1e-4)


def test_classes_without_names_are_numbered() -> None:
    classifier = make_classifier(labels=(), num_classes=3)
    assert {guess.label for guess in classifier.predict(draw(0))[0].top} == {"class 0", "class 1", "class 2"}


def test_predictions_do_not_depend_on_the_batch(classifier: Classifier) -> None:
    pictures = [draw(seed) for seed in range(7)]
    for views in (1, 10):
        whole = classifier.predict(pictures, views=views)
        for batch_size in (1, 3, 30):
            parts = classifier.predict(pictures, views=views, batch_size=batch_size)
            for part, one in zip(parts, whole, strict=True):
                assert [guess.index for guess in part.top] == [guess.index for guess in one.top]
                assert [guess.prob for guess in part.top] == pytest.approx([guess.prob for guess in one.top], rel=1e-4)


def test_no_more_classes_are_named_than_there_are(classifier: Classifier) -> None:
    assert len(classifier.predict(draw(0), top=1000)[0].top) == len(LABELS)


def test_predict_stops_at_a_picture_that_it_cannot_read(classifier: Classifier, folder: Path) -> None:
    (folder / "ant" / "bad.jpg").write_bytes(b"\xff\xd8 not much of a JPEG")
    with pytest.raises(UnreadablePicture, match=r"bad\.jpg: "):
        classifier.predict(folder)


@pytest.mark.parametrize(
    ("wish", "says"), [({"views": 5}, "views is 5"), ({"batch_size": 0}, "batch_size is 0"), ({"top": 0}, "top is 0")]
)
def test_settings_that_cannot_be_are_refused(classifier: Classifier, wish: dict[str, int], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        classifier.predict(draw(0), **wish)


def test_an_unknown_device_is_said_before_the_weights_are_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device"):
        load(tmp_path / "nowhere", device="tpu")
