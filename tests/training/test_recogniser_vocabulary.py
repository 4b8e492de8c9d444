"""Vocabulary files: what they may say, and the errors when they say something else."""

from pathlib import Path

import pytest
import torch

from engine.errors import DataError
from engine.training.vocabulary import load_vocabulary

VOCABULARIES = Path(__file__).parents[2] / "assets" / "vocabularies"


def written(folder: Path, text: str) -> Path:
    path = folder / "vocabulary.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_ranges_and_the_rest(tmp_path: Path) -> None:
    vocabulary = load_vocabulary(written(tmp_path, 'group,imagenet\n"dog, wolf",151-268 273\nall else,*\n'))
    assert vocabulary.groups == ("dog, wolf", "all else")
    assert vocabulary.imagenet[0] == (*range(151, 269), 273)
    assert vocabulary.rest == 1
    assert len(vocabulary.imagenet[1]) == 1000 - 119
    assert vocabulary.named == vocabulary.imagenet[0]


def test_the_rest_may_come_first(tmp_path: Path) -> None:
    vocabulary = load_vocabulary(written(tmp_path, "group,imagenet\nall else,*\ncat,281-285\n"))
    assert vocabulary.rest == 0
    assert vocabulary.named == tuple(range(281, 286))


def test_the_matrix_sums_probabilities_over_groups(tmp_path: Path) -> None:
    vocabulary = load_vocabulary(written(tmp_path, "group,imagenet\ncat,281-285\nbear,294 295\nall else,*\n"))
    probabilities = torch.rand(4, 1000).softmax(1)
    summed = probabilities @ vocabulary.matrix()
    torch.testing.assert_close(summed[:, 1], probabilities[:, 294] + probabilities[:, 295])
    torch.testing.assert_close(summed.sum(1), torch.ones(4))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,imagenet\ncat,281\n", "needs the columns"),
        ("group,imagenet\n", "at least one row"),
        ("group,imagenet\ncat,281\ncat,282\nelse,*\n", "'cat' twice"),
        ("group,imagenet\n,281\nelse,*\n", "without a name"),
        ("group,imagenet\ncat,281-285\ntabby,281\nelse,*\n", "281 belongs to both 'cat' and 'tabby'"),
        ("group,imagenet\ncat,281-285\n", "no group for 995 classes"),
        ("group,imagenet\ncat,1000\nelse,*\n", "beyond 999"),
        ("group,imagenet\ncat,tabby\nelse,*\n", "'tabby' in the group 'cat'"),
        ("group,imagenet\ncat,281-\nelse,*\n", "neither an index nor a range"),
        ("group,imagenet\ncat,\nelse,*\n", "'cat' stands for no ImageNet class"),
        ("group,imagenet\nall,0-999\nelse,*\n", "'else' stands for no ImageNet class"),
        ("group,imagenet\ncat,285-281\nelse,*\n", "'cat' stands for no ImageNet class"),
    ],
)
def test_errors_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_vocabulary(written(tmp_path, text))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_vocabulary(tmp_path / "absent.csv")


def test_the_everyday_vocabulary_covers_what_it_promises() -> None:
    vocabulary = load_vocabulary(VOCABULARIES / "everyday.csv")
    assert 20 <= len(vocabulary) - 1 <= 40
    assert len(vocabulary.named) >= 400
    assert vocabulary.groups[vocabulary.rest or 0] == "something else"
    assert set(range(151, 269)) <= set(vocabulary.imagenet[0])  # all 118 breeds of dogs


def test_the_imagenet_vocabulary_is_the_identity() -> None:
    vocabulary = load_vocabulary(VOCABULARIES / "imagenet.csv")
    assert vocabulary.rest is None
    assert vocabulary.imagenet == tuple((i,) for i in range(1000))
    assert torch.equal(vocabulary.matrix(), torch.eye(1000))
