# The server: kernel and server only, no training library. `make images` builds it; by hand, from the repository's root:
#   docker build -f docker/server.Dockerfile -t kuntur-server .
# Any image with Python 3.11 or newer, pip and a shell will do as the base.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS built
WORKDIR /kuntur
COPY locks/server.txt locks/server.txt
# Where packages come from elsewhere than PyPI: --secret id=pip,src=pip.conf. It stays out of the image.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
      --require-hashes --target /packages -r locks/server.txt
COPY kuntur kuntur
COPY server server
ENV PYTHONPATH=/packages:/kuntur ORT_DISABLE_TELEMETRY=1
# Python's bytecode, which is taken whatever times an image gives to files, and the kernel's machine code.
RUN python -m compileall -q --invalidation-mode unchecked-hash /packages /kuntur \
 && python -m server compile \
 && python -m server compile --check

FROM ${BASE}
LABEL org.opencontainers.image.title="kuntur-server" \
      org.opencontainers.image.description="Fraud scoring of bank transactions over gRPC"
RUN echo 'kuntur:x:10001:10001::/nonexistent:/bin/false' >> /etc/passwd \
 && echo 'kuntur:x:10001:' >> /etc/group \
 && mkdir -p /registry /journal /history \
 && chown 10001:10001 /journal /history
COPY --from=built /packages /packages
COPY --from=built /kuntur /kuntur
# It listens to other machines: without tls.certificate and tls.key, or KUNTUR_SERVER_TLS__INSECURE=true, it does not start.
ENV PYTHONPATH=/packages:/kuntur PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1 \
    KUNTUR_SERVER_LISTEN_ADDRESS=0.0.0.0:50051 \
    KUNTUR_SERVER_REGISTRY_PATH=/registry \
    KUNTUR_SERVER_JOURNAL__PATH=/journal \
    KUNTUR_SERVER_LOG__FORMAT=json
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /kuntur
VOLUME ["/registry", "/journal", "/history"]
EXPOSE 50051
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "server"]
CMD ["serve"]
