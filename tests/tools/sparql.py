"""A real SPARQL server, oxigraph, in place of Wikidata's."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.tools.provider import free_port

FACTS: Final = """\
@prefix wd: <http://www.wikidata.org/entity/> .
@prefix wdt: <http://www.wikidata.org/prop/direct/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
wd:Q513 wdt:P2044 "8848.86"^^xsd:decimal ; wdt:P571 "1953-05-29T00:00:00Z"^^xsd:dateTime ; wdt:P57 wd:Q1, wd:Q2 .
wd:Q1 rdfs:label "Ana"@en, "Ana de"@de . wd:Q2 rdfs:label "Eva"@en .
"""


@contextmanager
def sparql(folder: Path) -> Iterator[str]:
    """Serve the facts from a new folder; tells the address."""
    program, port = Path(sys.executable).with_name("oxigraph"), free_port()
    (folder / "facts.ttl").write_text(FACTS)
    store = ["--location", str(folder / "store")]
    subprocess.run([program, "load", *store, "--file", folder / "facts.ttl"], check=True, capture_output=True)
    serving = subprocess.Popen(
        [program, "serve-read-only", *store, "--bind", f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/query"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as client:
            client.get(url, params={"query": "ASK {}"}).raise_for_status()
        yield url
    finally:
        serving.terminate()
        serving.wait()
