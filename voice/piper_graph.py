"""A Piper voice's network, cut in two so that a sentence can be heard before all of it is computed.

A Piper voice is VITS (Kim, Kong and Son, "Conditional Variational Autoencoder with Adversarial Learning for
End-to-End Text-to-Speech", 2021) in one ONNX file: text encoder, duration predictor and flow make a latent of some 86
frames a second, and a HiFi-GAN decoder makes sound of it. The decoder takes most of the time and is purely
convolutional: a frame of sound depends on no more than a few frames of latent to either side. So the file is cut at the
decoder's entrance, once, and the latent is decoded window by window, with just that many frames of overlap, which gives
the very samples that decoding it in one piece would.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from loguru import logger

if TYPE_CHECKING:
    import onnx

FORMAT: Final = 1
"""Part of the cache's key; raise it whenever the two halves are made differently."""

_LOCAL: Final = frozenset(
    ["Add", "Sub", "Mul", "Div", "Pow", "Sin", "Tanh", "LeakyRelu", "Relu", "Identity", "Cast", "Unsqueeze", "Squeeze"]
)
"""What a decoder may hold beside convolutions: each output frame depends on the same frame alone."""

Audio = npt.NDArray[np.float32]


class VoiceError(RuntimeError):
    """The voice cannot be loaded or used; the message says what to do."""


class UnknownGraphError(Exception):
    """This voice's network does not look like the ones that can be cut."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a voice's network is cut, by names of tensors."""

    latent: str
    conditions: tuple[str, ...]
    """What else the decoder takes from the encoder: the speaker, in voices that have several."""
    durations: str | None
    """Frames of each phoneme id, if the network tells."""
    hop: int
    """Samples of sound for a frame of latent."""
    overlap: int
    """Frames to either side on which a frame of sound depends."""


@dataclass(frozen=True, slots=True)
class Halves:
    """The two files of a voice that was cut, and what to know about them."""

    encoder: Path
    decoder: Path
    hop: int
    overlap: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence that has been encoded and can be heard in part."""

    frames: int
    durations: npt.NDArray[np.float32] | None
    """Frames of each phoneme id, shape (ids,), or None where the network does not tell."""
    decode: Callable[[int, int], Audio]
    """Sound of the frames from the first, up to but without the second: mono, shape (samples,), -1 to 1."""


class Graph(Protocol):
    """A voice's network, loaded. Safe to use from several threads."""

    session: onnxruntime.InferenceSession
    hop: int

    def encode(self, ids: Sequence[int], scales: Sequence[float], speaker: int | None) -> Sentence:
        """Encode a sentence.

        Args:
            ids: phoneme ids.
            scales: noise, length and noise of the lengths, as in the voice's configuration.
            speaker: for voices that have several.

        Raises:
            VoiceError: if the network fails.
        """


def load_graph(model: Path, cache_dir: Path, *, hop: int, threads: int) -> Graph:
    """Load a voice's network, cut in two where it can be.

    Args:
        model: the voice's ONNX file.
        cache_dir: where its two halves are kept; made if missing.
        hop: samples a frame, for a network that cannot be cut.
        threads: for one inference.

    Raises:
        VoiceError: if the file is missing or damaged, or nothing can be written to `cache_dir`.
    """
    try:
        halves = split(model, cache_dir)
    except UnknownGraphError as reason:
        logger.warning(f"The voice {model.name} cannot be heard before a whole sentence is computed: {reason}")
        return WholeGraph(model, hop, threads)
    return SplitGraph(halves, threads)


class SplitGraph:
    """A network in two halves: encoding is cheap, and sound is made as it is asked for."""

    def __init__(self, halves: Halves, threads: int) -> None:
        self.session = _session(halves.encoder, threads)
        self.hop = halves.hop
        self._overlap = halves.overlap
        self._decoder = _session(halves.decoder, threads)
        self._decoder_inputs = [value.name for value in self._decoder.get_inputs()]
        self._outputs = [value.name for value in self.session.get_outputs()]

    def encode(self, ids: Sequence[int], scales: Sequence[float], speaker: int | None) -> Sentence:
        """Encode a sentence; see `Graph`."""
        outputs = dict(zip(self._outputs, _infer(self.session, _inputs(ids, scales, speaker)), strict=True))
        latent, *conditions = (outputs.pop(name) for name in self._decoder_inputs)
        durations = next(iter(outputs.values())).reshape(-1) if outputs else None

        def decode(first: int, last: int) -> Audio:
            start = max(0, first - self._overlap)
            window = latent[:, :, start : last + self._overlap]
            feed = dict(zip(self._decoder_inputs, [window, *conditions], strict=True))
            audio = _infer(self._decoder, feed)[0].reshape(-1)
            return audio[(first - start) * self.hop : (last - start) * self.hop]

        return Sentence(latent.shape[2], durations, decode)


class WholeGraph:
    """A network in one piece: all sound of a sentence is made at once."""

    def __init__(self, model: Path, hop: int, threads: int) -> None:
        self.session = _session(model, threads)
        self.hop = hop

    def encode(self, ids: Sequence[int], scales: Sequence[float], speaker: int | None) -> Sentence:
        """Synthesize a sentence; see `Graph`."""
        audio = _infer(self.session, _inputs(ids, scales, speaker))[0].reshape(-1)
        return Sentence(
            math.ceil(len(audio) / self.hop), None, lambda first, last: audio[first * self.hop : last * self.hop]
        )


def split(model: Path, cache_dir: Path) -> Halves:
    """Cut a voice in two, unless `cache_dir` holds its halves already, whole.

    Each file appears under its name only when it is complete, and all are checked by their digests, so neither a power
    cut nor another process that does the same leaves a broken voice.

    Raises:
        UnknownGraphError: if this network cannot be cut.
        VoiceError: if the file is missing or damaged, or nothing can be written to `cache_dir`.
    """
    try:
        source = _digest(model)
    except OSError as error:
        raise VoiceError(f"the Piper voice {model} cannot be read: {error.strerror}") from error
    folder = cache_dir / f"{model.stem}-{source[:16]}-v{FORMAT}"
    if halves := _cached(folder):
        return halves
    cut, encoder, decoder = _cut(model)
    manifest = {
        "encoder": hashlib.sha256(encoder).hexdigest(),
        "decoder": hashlib.sha256(decoder).hexdigest(),
        "cut": asdict(cut),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "encoder.onnx", encoder)
        _write(folder / "decoder.onnx", decoder)
        _write(folder / "manifest.json", json.dumps(manifest, indent=2).encode())
    except OSError as error:
        raise VoiceError(f"the voice's cache {folder} cannot be written: {error.strerror}") from error
    return Halves(folder / "encoder.onnx", folder / "decoder.onnx", cut.hop, cut.overlap)


def find_cut(graph: "onnx.GraphProto") -> Cut:
    """Find the decoder by its structure: names of nodes differ between voices, HiFi-GAN does not.

    The decoder is what follows the convolution before the first upsampling.

    Raises:
        UnknownGraphError: if there is no such decoder, or it holds more than convolutions.
    """
    producer = {output: node for node in graph.node for output in node.output}
    upsampling = next((node for node in graph.node if node.op_type == "ConvTranspose"), None)
    if upsampling is None:
        raise UnknownGraphError("it has no upsampling decoder")
    entrance = producer.get(upsampling.input[0])
    # Voices with several speakers add the speaker behind the convolution.
    while entrance is not None and entrance.op_type in {"LeakyRelu", "Add"}:
        entrance = producer.get(entrance.input[0])
    if entrance is None or entrance.op_type != "Conv" or entrance.input[0] not in producer:
        raise UnknownGraphError("no convolution leads into its decoder")
    latent = entrance.input[0]
    decoder = _following(graph, {latent})
    if graph.output[0].name not in {output for node in decoder for output in node.output}:
        raise UnknownGraphError("its decoder does not lead to the sound")
    hop, overlap = _reach(decoder, latent)
    inside = {latent, *(output for node in decoder for output in node.output)}
    computed = {output for node in _following(graph, {value.name for value in graph.input}) for output in node.output}
    needed = dict.fromkeys(name for node in decoder for name in node.input)
    ceilings = [node.output[0] for node in graph.node if node.op_type == "Ceil"]
    return Cut(
        latent,
        conditions=tuple(name for name in needed if name in computed and name not in inside),
        durations=ceilings[0] if len(ceilings) == 1 else None,
        hop=hop,
        overlap=overlap,
    )


def _following(graph: "onnx.GraphProto", names: set[str]) -> "list[onnx.NodeProto]":
    """All nodes that depend on the tensors `names`, in order."""
    reached = set(names)
    nodes = []
    for node in graph.node:
        if not reached.isdisjoint(node.input):
            reached.update(node.output)
            nodes.append(node)
    return nodes


def _reach(decoder: "list[onnx.NodeProto]", latent: str) -> tuple[int, int]:
    """Samples a frame, and the frames to either side on which a sample depends, summed over the longest path."""
    rate = {latent: 1}
    reach = {latent: 0.0}
    for node in decoder:
        known = [name for name in node.input if name in rate]
        samples, frames = rate[known[0]], max(reach[name] for name in known)
        if any(rate[name] != samples for name in known):
            raise UnknownGraphError(f"{node.name} joins what runs at different rates")
        if node.op_type == "Conv":
            kernel, stride, dilation, padding = _convolution(node)
            if stride != 1 or padding != dilation * (kernel - 1):
                raise UnknownGraphError(f"{node.name} changes the length")
            frames += padding / 2 / samples
        elif node.op_type == "ConvTranspose":
            kernel, stride, dilation, padding = _convolution(node)
            if dilation != 1 or padding != kernel - stride:
                raise UnknownGraphError(f"{node.name} does not make its input {stride} times as long")
            frames += ((kernel + stride) / 2 - 1) / stride / samples
            samples *= stride
        elif node.op_type not in _LOCAL:
            raise UnknownGraphError(f"its decoder holds {node.op_type}")
        for output in node.output:
            rate[output], reach[output] = samples, frames
    last = decoder[-1].output[0]
    return rate[last], math.ceil(reach[last])


def _convolution(node: "onnx.NodeProto") -> tuple[int, int, int, int]:
    """Kernel, stride, dilation and whole padding of a one-dimensional convolution."""
    import onnx  # noqa: PLC0415 - 30 MB, needed only on the day a voice is cut

    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    try:
        (kernel,) = attributes["kernel_shape"]
        (stride,) = attributes.get("strides", [1])
        (dilation,) = attributes.get("dilations", [1])
    except (KeyError, ValueError) as error:
        raise UnknownGraphError(f"{node.name} is not a one-dimensional convolution") from error
    return kernel, stride, dilation, sum(attributes.get("pads", [0]))


def _cut(model: Path) -> tuple[Cut, bytes, bytes]:
    import onnx  # noqa: PLC0415 - 30 MB, needed only on the day a voice is cut
    import onnx.utils  # noqa: PLC0415

    damaged = f"the Piper voice {model} is damaged: fetch it again"
    try:
        network = onnx.load(str(model))
    except Exception as error:
        # What protobuf raises here differs between its implementations.
        raise VoiceError(damaged) from error
    graph = network.graph
    if not graph.output:
        raise VoiceError(damaged)
    cut = find_cut(graph)
    described = {value.name for value in graph.value_info}
    entrances = [cut.latent, *cut.conditions]
    exits = [*entrances, *([cut.durations] if cut.durations else [])]
    for name in exits:
        if name not in described:
            graph.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    extractor = onnx.utils.Extractor(network)
    encoder = extractor.extract_model([value.name for value in graph.input], exits)
    decoder = extractor.extract_model(entrances, [graph.output[0].name])
    return cut, encoder.SerializeToString(), decoder.SerializeToString()


def _cached(folder: Path) -> Halves | None:
    """The halves in `folder`, or None if they are not there or not as they were written."""
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        if manifest["encoder"] == _digest(encoder) and manifest["decoder"] == _digest(decoder):
            return Halves(encoder, decoder, int(manifest["cut"]["hop"]), int(manifest["cut"]["overlap"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    logger.warning(f"The voice's cache {folder} is damaged and is made again")
    return None


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning would have threads that wait for work take the processor from the language model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # A plan of memory is kept for every size of input, and no two sentences have the same.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's exceptions have nothing in common but this.
        raise VoiceError(f"the Piper voice {path} is damaged or cannot be used: {error}") from error


def _inputs(ids: Sequence[int], scales: Sequence[float], speaker: int | None) -> dict[str, npt.NDArray[Any]]:
    inputs: dict[str, npt.NDArray[Any]] = {
        "input": np.array([ids], dtype=np.int64),
        "input_lengths": np.array([len(ids)], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    if speaker is not None:
        inputs["sid"] = np.array([speaker], dtype=np.int64)
    return inputs


def _infer(session: onnxruntime.InferenceSession, inputs: dict[str, npt.NDArray[Any]]) -> list[Audio]:
    try:
        outputs: list[Audio] = session.run(None, inputs)
    except Exception as error:
        raise VoiceError(f"the Piper voice failed: {error}") from error
    return outputs
