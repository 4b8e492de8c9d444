"""The quality engine: its closed form against autograd, batches against single patches, and hostile pairs."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import patch_grid, quality
from engine.cli import main
from engine.distortions.plain import blur, jpeg, noise
from engine.errors import ImageError, QuestionError, WeightsError
from engine.models.quality_networks import CELLS, KINDS, PATCH, Kind, PatchQualityNetwork, tone
from engine.training.quality_export import export

PHOTO = np.ascontiguousarray(skimage.data.chelsea()[40:200, 100:292])
WORSE = jpeg(PHOTO, 10)


@pytest.fixture(scope="module", params=[*KINDS, "context"])
def network(request: pytest.FixtureRequest) -> quality.QualityNetwork:
    """A small network of random weights: the arithmetic must hold for any."""
    torch.manual_seed(3)
    return quality.wrap(with_context() if request.param == "context" else small(request.param), device="cpu")


def small(kind: Kind, context: int = 0) -> PatchQualityNetwork:
    return PatchQualityNetwork(kind, (8, 8, 16), context=context)


def with_context() -> PatchQualityNetwork:
    """Without a reference, and with a context that says something."""
    module = small("no-reference", context=5)
    for layer in (module.context.weights, module.context.biases):  # type: ignore[union-attr]
        torch.nn.init.normal_(layer.weight)
    return module


def pair(network: quality.QualityNetwork) -> tuple[np.ndarray, np.ndarray | None]:
    return WORSE, PHOTO if network.kind == "full-reference" else None


@pytest.mark.parametrize("foil", [1.0, 0.75, 0.5, 0.25, 0.0])
def test_closed_form_equals_autograd_of_the_patch_losses(network: quality.QualityNetwork, foil: float) -> None:
    """Grad-CAM of (s_p - Q)^2, patch by patch, from autograd alone; activations measured from the common centre."""
    distorted, reference = pair(network)
    result = quality.assess(network, distorted, reference, stride=32)
    module = quality.for_photo(network, distorted)
    score = float((result.patches.scores * result.patches.weights).sum())
    for index, (x, y) in enumerate(result.patches.centres.astype(int) - PATCH // 2):
        batch = [
            torch.from_numpy(p[y : y + PATCH, x : x + PATCH].copy()).permute(2, 0, 1)[None].float()
            for p in (distorted, reference)
            if p is not None
        ]
        activations = module(*batch).activations.detach().requires_grad_()
        patch_score = module.score(activations.mean((2, 3))).squeeze()
        (gradient,) = torch.autograd.grad((patch_score - foil) ** 2, activations)
        weights = gradient.sum((2, 3), keepdim=True)
        # What a constant activation map worth (score - bias) contributes is the baseline that M is centred on.
        baseline = 2 * (patch_score - foil) * (score - module.bias)
        cam = torch.relu((weights * activations).sum(1) - baseline)[0].detach().numpy()
        assert np.abs(quality.patch_maps(result, foil)[index] - cam).max() < 1e-5


def test_maps_add_up_to_the_score(network: quality.QualityNetwork) -> None:
    result = quality.assess(network, *pair(network), stride=16)
    score = float((result.patches.scores * result.patches.weights).sum())
    assert np.allclose(result.patches.maps.mean((1, 2)), result.patches.scores - score, atol=1e-5)
    assert result.patches.weights.sum() == pytest.approx(1, abs=1e-5)
    assert result.distortions.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("foil", [0.9, 0.3])
def test_two_fields_give_the_blend_of_any_foils_signed_maps(network: quality.QualityNetwork, foil: float) -> None:
    result = quality.assess(network, *pair(network), stride=8)
    patches = result.patches
    signed = 2 * (patches.scores - foil)[:, None, None] * patches.maps
    height, width = result.evidence.shape
    window = np.sin(np.pi * (np.arange(CELLS) + 0.5) / CELLS) ** 2
    total, weight = np.zeros((height + CELLS, width + CELLS)), np.zeros((height + CELLS, width + CELLS))
    for (x, y), values in zip((patches.centres - PATCH / 2).astype(int) // 8, signed, strict=True):
        total[y : y + CELLS, x : x + CELLS] += np.outer(window, window) * values
        weight[y : y + CELLS, x : x + CELLS] += np.outer(window, window)
    assert np.allclose(result.map(foil), (total / np.maximum(weight, 1e-9))[:height, :width], atol=1e-5)
    assert np.array_equal(result.map(foil), result.intercept - np.float32(foil) * result.slope)
    assert np.array_equal(result.map(foil, signed=False), np.maximum(result.map(foil), 0))


@pytest.mark.parametrize("stride", quality.STRIDES)
def test_patches_that_share_work_equal_patches_alone(network: quality.QualityNetwork, stride: int) -> None:
    """Of a picture whose last patches reach past its edges, by the network's plain forward pass."""
    pictures = [p[:101, :147] for p in pair(network) if p is not None]
    result = quality.assess(network, *pictures, stride=stride)
    module, patches = quality.for_photo(network, pictures[0]), result.patches
    mirrored = [np.pad(p, [(0, PATCH), (0, PATCH), (0, 0)], mode="symmetric") for p in pictures]
    corners = patches.centres.astype(int) - PATCH // 2
    with torch.inference_mode():
        stacks = [np.stack([p[y : y + PATCH, x : x + PATCH] for x, y in corners]) for p in mirrored]
        alone = module(*(torch.from_numpy(stack).permute(0, 3, 1, 2).float() for stack in stacks))
    score = float((alone.scores * alone.weights).sum() / alone.weights.sum())
    np.testing.assert_allclose(patches.scores, alone.scores, atol=1e-5)
    np.testing.assert_allclose(patches.weights, alone.weights / alone.weights.sum(), atol=1e-6)
    np.testing.assert_allclose(patches.maps, module.score_map(alone.activations) + module.bias - score, atol=1e-5)
    named = (alone.distortions.softmax(1) * alone.weights[:, None]).sum(0) / alone.weights.sum()
    np.testing.assert_allclose(result.distortions, named, atol=1e-5)


def test_a_context_sets_the_heads_by_the_whole_photo_whatever_the_stride() -> None:
    torch.manual_seed(3)
    network = quality.wrap(with_context(), device="cpu")
    module = network.module
    heads = quality.for_photo(network, PHOTO)
    corners = [(y, x) for y in range(0, PHOTO.shape[0], 32) for x in range(0, PHOTO.shape[1], 32)]
    stack = torch.from_numpy(np.stack([PHOTO[y : y + 32, x : x + 32] for y, x in corners])).permute(0, 3, 1, 2).float()
    summary = module.summary(module(stack).activations.mean((2, 3)), tone(stack))
    weights, biases = (change[0] for change in module.context(summary[None]))  # type: ignore[misc]
    torch.testing.assert_close(heads.score.weight, module.score.weight + weights[0])
    torch.testing.assert_close(heads.weight.bias, module.weight.bias + biases[1])
    assert heads.features is module.features
    same = quality.assess(network, PHOTO, stride=32).patches, quality.assess(network, PHOTO, stride=16).patches
    np.testing.assert_allclose(same[0].scores, same[1].scores.reshape(9, 11)[::2, ::2].ravel(), atol=1e-5)
    half = PHOTO.copy()
    half[80:] //= 3
    changed = quality.assess(network, half, stride=32).patches.scores[: 2 * 6]
    assert np.abs(same[0].scores[: 2 * 6] - changed).min() > 1e-3, "what is elsewhere is part of the context"


def test_the_tone_of_patches_is_that_of_their_pixels() -> None:
    patches = torch.from_numpy(PHOTO[:128, :160].copy()).permute(2, 0, 1).float()
    parts = patches.unfold(1, 32, 32).unfold(2, 32, 32).permute(1, 2, 0, 3, 4).flatten(0, 1)
    found = tone(torch.stack([parts, torch.full_like(parts, 128)]))
    red, green, blue = (PHOTO[:128, :160].reshape(-1, 3) / 255).T
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    colour = np.hypot(red - green, (red + green) / 2 - blue)
    quantiles = np.quantile(luma, [0.002, 0.02, 0.1, 0.5, 0.9, 0.98, 0.998])
    wanted = [*quantiles, luma.std(), colour.mean(), *np.quantile(colour, [0.5, 0.95])]
    np.testing.assert_allclose(found[0], wanted, atol=1e-4)
    np.testing.assert_allclose(found[1], [128 / 255] * 7 + [0] * 4, atol=1e-6)


def test_a_context_that_was_not_trained_changes_nothing() -> None:
    torch.manual_seed(3)
    module = small("no-reference", context=5)
    network = quality.wrap(module, device="cpu")
    heads = quality.for_photo(network, PHOTO)
    assert torch.equal(heads.score.weight, module.score.weight) and torch.equal(heads.score.bias, module.score.bias)


def test_of_a_large_photo_the_context_sees_a_bounded_number_of_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    module = with_context()
    seen: list[int] = []
    summary = module.summary

    def told(means: torch.Tensor, tones: torch.Tensor) -> torch.Tensor:
        seen.append(len(means))
        return summary(means, tones)

    monkeypatch.setattr(module, "summary", told)
    network = quality.wrap(module, device="cpu")
    quality.for_photo(network, PHOTO)
    monkeypatch.setattr(quality, "CONTEXT_PATCHES", 10)
    quality.for_photo(network, PHOTO)
    assert seen == [5 * 6, 3 * 3]


@pytest.mark.parametrize("block", [1, 3])
def test_blocks_do_not_matter(network: quality.QualityNetwork, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = quality.assess(network, *pair(network), stride=16)
    monkeypatch.setattr(patch_grid, "BLOCK", block)
    parts = quality.assess(network, *pair(network), stride=16)
    assert np.allclose(whole.patches.scores, parts.patches.scores, atol=1e-5)
    assert np.allclose(whole.evidence, parts.evidence, atol=1e-5)
    assert whole.score == pytest.approx(parts.score, abs=1e-5)


@pytest.mark.parametrize("stride", quality.STRIDES)
def test_constant_patch_maps_stay_constant_when_blended(stride: int) -> None:
    maps = np.full((3, 4, CELLS, CELLS), 0.37, np.float32)
    blended = patch_grid.blend(maps, stride, (2 * stride + PATCH - 3, 3 * stride + PATCH))
    assert np.allclose(blended, 0.37)
    cell = min(stride, 8)
    assert blended.shape == (-(-(2 * stride + PATCH - 3) // cell), (3 * stride + PATCH) // cell)


@settings(max_examples=25)
@given(height=st.integers(1, 90), width=st.integers(1, 90), stride=st.sampled_from(quality.STRIDES))
def test_any_size_is_judged_whole(height: int, width: int, stride: int) -> None:
    torch.manual_seed(0)
    network = quality.wrap(PatchQualityNetwork("no-reference", (4, 4, 4)), device="cpu")
    result = quality.assess(network, PHOTO[:height, :width], stride=stride)
    cell = min(stride, 8)
    assert result.evidence.shape == (-(-height // cell), -(-width // cell)) == result.patch_scores.shape
    assert np.isfinite(result.map(0.5)).all() and result.size == (width, height)
    assert f"{width} × {height}" in result.note


def test_progress_reaches_the_end(network: quality.QualityNetwork) -> None:
    told: list[float] = []
    quality.assess(network, *pair(network), stride=4, progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) > 3


def test_it_can_be_stopped_before_any_patch_is_judged() -> None:
    """Of a large photo the patches that set the heads take longest to look at, and nothing is judged till then."""
    network = quality.load("no-reference", "cpu")
    rows = 3
    picture = np.tile(PHOTO[:PATCH, :PATCH], (rows, 2, 1))
    told: list[float] = []
    quality.assess(network, picture, stride=32, progress=told.append)
    assert told[:rows] == [0.0] * rows and told[rows] > 0

    def stop(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        quality.for_photo(network, picture, stop)


def test_a_judgement_goes_on_where_it_was_left(network: quality.QualityNetwork) -> None:
    told: list[float] = []

    def stop_always(share: float) -> None:
        told.append(share)
        if share:
            raise InterruptedError

    judgement = quality.Judgement(network, *pair(network), stride=4)
    left = [judgement.patches_left]
    while left[-1]:
        with pytest.raises(InterruptedError):
            judgement.finish(stop_always)
        left.append(judgement.patches_left)
    result = judgement.finish(stop_always)
    whole = quality.assess(network, *pair(network), stride=4)
    shares = [share for share in told if share]
    assert shares == sorted(set(shares)), "no block is judged twice"
    assert left[0] == len(whole.patches.scores) and left == sorted(left, reverse=True) and left[-1] == 0
    for name in ("patch_scores", "evidence", "score_evidence", "distortions"):
        assert np.array_equal(getattr(result, name), getattr(whole, name))
    assert (result.score, result.note) == (whole.score, whole.note)


def test_results_cannot_be_changed(network: quality.QualityNetwork) -> None:
    result = quality.assess(network, *pair(network), stride=32)
    for values in (result.evidence, result.patch_scores, result.patches.maps):
        with pytest.raises(ValueError):
            values[0] = 0


def test_its_size_is_that_of_its_arrays(network: quality.QualityNetwork) -> None:
    few, many = (quality.assess(network, *pair(network), stride=stride) for stride in (32, 4))
    each = 4 * (2 + 1 + 1 + CELLS**2)  # of a patch: its centre, score, weight and map
    assert many.nbytes == each * len(many.patches.scores) + 3 * 4 * many.evidence.size + 4 * 25
    assert few.nbytes < many.nbytes / 10


def test_sides_and_balance(network: quality.QualityNetwork) -> None:
    result = quality.assess(network, *pair(network), stride=16)
    middle = float(np.median(result.patch_scores))
    sides = result.sides(middle)
    assert (sides[result.patch_scores > middle] >= 0).all() and (sides[result.patch_scores < middle] <= 0).all()
    assert sum(result.balance(middle)) == pytest.approx(1)


def test_a_constant_picture_is_judged(network: quality.QualityNetwork) -> None:
    grey = np.full((70, 90, 3), 128, np.uint8)
    result = quality.assess(network, grey, grey if network.kind == "full-reference" else None)
    assert np.isfinite(result.map(1.0)).all()


def test_what_cannot_be_judged() -> None:
    small = (4, 4, 4)
    full = quality.wrap(PatchQualityNetwork("full-reference", small), device="cpu")
    none = quality.wrap(PatchQualityNetwork("no-reference", small), device="cpu")
    with pytest.raises(ImageError, match="192 x 160 pixels and its reference 192 x 159"):
        quality.assess(full, PHOTO, PHOTO[:-1])
    with pytest.raises(ImageError, match="give both"):
        quality.assess(full, PHOTO)
    with pytest.raises(ImageError, match="without a reference"):
        quality.assess(none, PHOTO, PHOTO)
    with pytest.raises(ImageError, match="RGB"):
        quality.assess(none, PHOTO[..., 0])
    with pytest.raises(QuestionError, match="stride of 5"):
        quality.assess(none, PHOTO, stride=5)
    with pytest.raises(QuestionError, match="no quality network"):
        quality.load("half-reference")  # type: ignore[arg-type]


def embedded(kind: Kind) -> quality.QualityNetwork:
    """The network in assets, where its training is finished and measured."""
    card = quality.ASSETS / f"{quality.NAMES[kind]}.json"
    if not card.is_file() or not json.loads(card.read_text())["measured"]:
        pytest.skip(f"the {kind} network is not finished: its card holds no measurements")
    return quality.load(kind, "cpu")


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_weights_are_refused(kind: Kind, tmp_path: Path) -> None:
    export(PatchQualityNetwork(kind, (4, 4, 8)), tmp_path, [], {})
    assert quality.load(kind, "cpu", tmp_path).kind == kind
    weights = tmp_path / f"{quality.NAMES[kind]}.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(bytes(damaged))
    with pytest.raises(WeightsError, match="not those of the card"):
        quality.load(kind, "cpu", tmp_path)
    (tmp_path / f"{quality.NAMES[kind]}.json").unlink()
    with pytest.raises(WeightsError, match="missing or damaged"):
        quality.load(kind, "cpu", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_embedded_scores_fall_with_damage(kind: Kind) -> None:
    photo = np.ascontiguousarray(skimage.data.chelsea()[20:276, 100:356])
    network = embedded(kind)

    def score(pixels: np.ndarray) -> float:
        return quality.assess(network, pixels, photo if kind == "full-reference" else None, 32).score

    # A photo that nothing was done to scores about what the card says of pristine ones.
    assert score(photo) > min(network.card["measured"]["pristine"].values()) - 0.05
    for damage, values in ((jpeg, (60, 20, 5)), (blur, (1, 2, 5)), (noise, (8, 20, 50))):
        scores = [score(photo), *(score(damage(photo, value)) for value in values)]
        assert all(a > b for a, b in itertools.pairwise(scores)), (damage.__name__, scores)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import PIL.Image

    PIL.Image.fromarray(WORSE).save(tmp_path / "worse.png")
    words = [
        "quality",
        str(tmp_path / "worse.png"),
        "--stride",
        "32",
        "--foils",
        "1,0.25",
        "--out",
        str(tmp_path / "out"),
    ]
    main([*words, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert 0 <= told["score"] <= 1 and told["size"] == [192, 160]
    assert [m.get("foil") for m in told["maps"]] == [None, None, 1.0, 0.25]
    arrays = np.load(tmp_path / "out" / "maps.npz")
    assert arrays["foil_0.25"].shape == (20, 24)
    assert (tmp_path / "out" / "row.png").stat().st_size > 1000
    main(words)
    assert "rather than 0.25" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*words[:5], "two", *words[6:]])
    assert "--foils takes scores" in capsys.readouterr().err
