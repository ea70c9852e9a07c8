"""What the engines of this machine have in common: a model that a supervised server serves while they are started."""

from collections.abc import Callable

from pipeline.engines.endpoint import Endpoint
from pipeline.engines.supervision import Program, Supervisor


class ServedEngine:
    """Serves one model to this machine for as long as it is started.

    When the server fails, it is started again at the same address and with the same key (`supervision`).
    Until then requests are refused at once.
    """

    def __init__(
        self,
        *,
        check_interval: float,
        on_change: Callable[[bool, str | None], None] = lambda _healthy, _problem: None,
    ) -> None:
        """Take what a `Supervisor` does, too."""
        self._check_interval = check_interval
        self._on_change = on_change
        self._supervisor: Supervisor | None = None
        self._endpoint: Endpoint | None = None

    async def stop(self) -> None:
        """End the server, by force where that takes too long. May be called at any time, repeatedly.

        When cancelled, its processes are killed at once.
        """
        supervisor, self._supervisor, self._endpoint = self._supervisor, None, None
        if supervisor is not None:
            await supervisor.stop()

    @property
    def endpoint(self) -> Endpoint:
        """The server's address, the same until `stop`. Raises `RuntimeError` where the engine is not started."""
        if self._endpoint is None:
            raise RuntimeError("the engine is not started")
        return self._endpoint

    @property
    def healthy(self) -> bool:
        """Whether the server answered when it was last asked."""
        return self._supervisor is not None and self._supervisor.healthy

    @property
    def problem(self) -> str | None:
        """Why it is being started again, or None."""
        return self._supervisor.problem if self._supervisor is not None else None

    async def _serve(self, program: Program, port: int = 0) -> str:
        """Run the program; return its address once it serves. Raises `LanguageEngineError`, and then leaves nothing."""
        if self._supervisor is not None:
            raise RuntimeError(f"{program.name} is started already")
        supervisor = Supervisor(program, check_interval=self._check_interval, on_change=self._on_change)
        port = await supervisor.start(port)
        self._supervisor = supervisor
        return f"http://127.0.0.1:{port}/v1"
