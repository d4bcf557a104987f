# The trainer, also as a worker image of a Ray cluster. Build from the repository's root:
#   docker build -f docker/trainer.Dockerfile -t kuntur-trainer .
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /kuntur
COPY locks/trainer.txt locks/trainer.txt
RUN pip install --no-cache-dir --require-hashes -r locks/trainer.txt
COPY kuntur kuntur
COPY trainer trainer
RUN useradd --create-home --uid 10001 kuntur && mkdir -p /registry /work /cache && chown kuntur /registry /work /cache
ENV PYTHONPATH=/kuntur PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/cache \
    KUNTUR_TRAINER_REGISTRY=/registry \
    KUNTUR_TRAINER_WORK=/work
USER kuntur
VOLUME ["/registry", "/work", "/cache"]
ENTRYPOINT ["python", "-m", "trainer"]
