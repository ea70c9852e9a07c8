# PASSFEL on the processor: hearing, speech, and the embedded language model where no server answers.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml constraints.txt requirements-data.txt README.md LICENSE passfel.py ./
COPY pipeline pipeline
COPY satellites satellites
COPY tools tools
COPY voice voice
RUN python -m venv /app \
    && /app/bin/pip install --no-cache-dir --constraint constraints.txt . \
    && /app/bin/pip install --no-cache-dir --no-deps --constraint constraints.txt --requirement requirements-data.txt

FROM python:3.11-slim-bookworm
ARG UID=1000
RUN useradd --uid "${UID}" --create-home passfel && install --directory --owner=passfel --group=passfel /data
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PASSFEL_DATA_DIR=/data PASSFEL_PORT=7860
USER ${UID}
WORKDIR /data
VOLUME /data
EXPOSE 7860
CMD ["passfel", "serve", "--auto"]
