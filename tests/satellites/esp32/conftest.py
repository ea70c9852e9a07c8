from tests.satellites.realtime.conftest import server

__all__ = ["server"]
