"""PASSFEL's own satellite: `passfel satellite`, on a Raspberry Pi or any other machine with a microphone.

It imports neither Pipecat nor any engine of the server; `requirements.txt` beside it names what it needs.
"""
