"""The plain side: the voice bot of Pipecat's quick start over a websocket, with local services.

Everything is as Pipecat's documentation builds it: a pipeline of transport, speech to text, user aggregator
with Silero VAD and the default turn strategies (smart turn), language model, speech, transport, assistant
aggregator. Only the services are those that run on this machine. Run it as a process of its own:

    python -m tests.benchmarks.plain_pipecat --port 7871 --language-url … --whisper … --voice …
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner


@dataclass(frozen=True, slots=True)
class Services:
    """Which local services stand behind the pipeline."""

    language_url: str
    language_key: str
    language_model: str
    whisper: str
    voice: Path
    persona: str


def create_transport(websocket: WebSocket) -> FastAPIWebsocketTransport:
    """Return Pipecat's websocket transport for one caller."""
    return FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=ProtobufFrameSerializer(),
        ),
    )


async def run_bot(websocket: WebSocket, services: Services) -> None:
    """Converse with one caller until it hangs up."""
    transport = create_transport(websocket)
    stt = WhisperSTTService(
        device="cpu",
        compute_type="int8",
        settings=WhisperSTTService.Settings(model=services.whisper),
    )
    llm = OpenAILLMService(
        api_key=services.language_key,
        base_url=services.language_url,
        settings=OpenAILLMService.Settings(model=services.language_model, system_instruction=services.persona),
    )
    tts = PiperTTSService(
        download_dir=services.voice.parent,
        settings=PiperTTSService.Settings(voice=services.voice.stem),
    )
    user_aggregator, assistant_aggregator = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()),
    )
    pipeline = Pipeline([transport.input(), stt, user_aggregator, llm, tts, transport.output(), assistant_aggregator])
    worker = PipelineWorker(pipeline, params=PipelineParams(enable_metrics=True, enable_usage_metrics=True))

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
    async def hang_up(_transport: object, _websocket: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def application(services: Services) -> FastAPI:
    """Return the web application: `/ws` for callers, `/healthz` for whoever waits for the start."""
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.websocket("/ws")
    async def call(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket, services)

    return app


def main() -> None:
    """Serve until the process is told to stop."""
    parser = argparse.ArgumentParser(description="Pipecat's quick-start bot with local services.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--language-url", required=True, help="an OpenAI-compatible server, with /v1")
    parser.add_argument("--language-key", default="none")
    parser.add_argument("--language-model", required=True)
    parser.add_argument("--whisper", required=True, help="a folder with a CTranslate2 Whisper model")
    parser.add_argument("--voice", type=Path, required=True, help="a Piper voice's .onnx file")
    parser.add_argument("--persona", required=True, help="the system prompt")
    arguments = vars(parser.parse_args())
    port = arguments.pop("port")
    uvicorn.run(application(Services(**arguments)), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
