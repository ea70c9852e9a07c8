# PASSFEL with CTranslate2 built for CUDA: the wheels for aarch64 have none. sm_121 is a GB10.
ARG CUDA=13.0.2
FROM nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build
ARG CUDA_ARCHITECTURE=12.1
ARG CTRANSLATE2=v4.8.0
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential cmake git libopenblas-dev python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN git clone --depth 1 --recurse-submodules --branch "${CTRANSLATE2}" https://github.com/OpenNMT/CTranslate2.git /ctranslate2
WORKDIR /ctranslate2/build
# cuDNN is for convolutions alone, which cuBLAS does as well here; MKL and oneDNN are for x86_64.
RUN cmake .. -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/opt/ctranslate2 -DBUILD_CLI=OFF \
        -DWITH_CUDA=ON -DWITH_CUDNN=OFF -DCUDA_ARCH_LIST="${CUDA_ARCHITECTURE}" \
        -DWITH_MKL=OFF -DWITH_OPENBLAS=ON -DWITH_RUY=ON -DOPENMP_RUNTIME=COMP \
    && cmake --build . --parallel "$(nproc)" --target install
RUN python3 -m venv /app && /app/bin/pip install --no-cache-dir "pybind11==2.11.1" "setuptools<81" wheel
WORKDIR /ctranslate2/python
RUN CTRANSLATE2_ROOT=/opt/ctranslate2 /app/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels .
WORKDIR /src
COPY pyproject.toml constraints.txt requirements-data.txt README.md LICENSE passfel.py ./
COPY pipeline pipeline
COPY satellites satellites
COPY tools tools
COPY voice voice
# The wheel that was just built comes first; the constraint would fetch the one without CUDA.
RUN grep --invert-match --ignore-case '^ctranslate2==' constraints.txt > constraints-cuda.txt \
    && /app/bin/pip install --no-cache-dir /wheels/*.whl \
    && /app/bin/pip install --no-cache-dir --constraint constraints-cuda.txt . \
    && /app/bin/pip install --no-cache-dir --no-deps --constraint constraints-cuda.txt --requirement requirements-data.txt

FROM nvidia/cuda:${CUDA}-runtime-ubuntu24.04
ARG UID=1000
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 libopenblas0 python3 \
    && rm -rf /var/lib/apt/lists/* \
    # The image brings a user of this number.
    && userdel --remove ubuntu \
    && useradd --uid "${UID}" --create-home passfel \
    && install --directory --owner=passfel --group=passfel /data
COPY --from=build /opt/ctranslate2/lib /opt/ctranslate2/lib
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH LD_LIBRARY_PATH=/opt/ctranslate2/lib PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    PASSFEL_DATA_DIR=/data PASSFEL_PORT=7860
USER ${UID}
WORKDIR /data
VOLUME /data
EXPOSE 7860
CMD ["passfel", "serve", "--auto"]
