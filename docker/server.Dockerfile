# The server: kernel and server only, no training library. Build from the repository's root:
#   docker build -f docker/server.Dockerfile -t kuntur-server .
FROM python:3.11-slim AS built
WORKDIR /kuntur
COPY locks/server.txt locks/server.txt
RUN pip install --no-cache-dir --require-hashes --target /packages -r locks/server.txt
COPY kuntur kuntur
COPY server server

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 kuntur && mkdir -p /registry /journal /cache && chown kuntur /journal /cache
COPY --from=built /packages /packages
COPY --from=built /kuntur /kuntur
# Compiled functions are kept in a place of their own: the code is read-only to the server.
ENV PYTHONPATH=/packages:/kuntur PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/cache \
    KUNTUR_SERVER_LISTEN_ADDRESS=0.0.0.0:50051 \
    KUNTUR_SERVER_REGISTRY_PATH=/registry \
    KUNTUR_SERVER_JOURNAL__PATH=/journal \
    KUNTUR_SERVER_LOG__FORMAT=json
USER kuntur
WORKDIR /kuntur
VOLUME ["/registry", "/journal", "/cache"]
EXPOSE 50051
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "server", "serve"]
