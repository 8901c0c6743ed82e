import pytest

from alexnet.inference.squares import square_image
from alexnet.inference.view_guesses import guesses_of_views, probs_of_views
from oracles.classifiers import draw, make_classifier, probabilities, squares


def test_the_views_average_to_the_papers_ten() -> None:
    classifier = make_classifier()
    images = square_image(classifier.preprocessing, draw(1, width=120))
    assert probs_of_views(classifier, images).mean(dim=0).tolist() == pytest.approx(
        classifier.probs(images, views=10)[0].tolist(), rel=1e-5
    )


def test_the_fifth_view_is_the_centre_and_its_mirror_comes_last() -> None:
    classifier = make_classifier()
    views = guesses_of_views(classifier, draw(2), top=7)
    assert [(view.x, view.y) for view in views[:5]] == [(0, 0), (13, 0), (0, 13), (13, 13), (6, 6)]
    assert [view.mirrored for view in views] == [False] * 5 + [True] * 5
    expected = probabilities(classifier, squares([draw(2)])[0])
    assert {guess.index: guess.prob for guess in views[4].top} == pytest.approx(dict(enumerate(expected)), rel=1e-4)
