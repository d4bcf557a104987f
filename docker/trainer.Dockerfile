# The trainer, also as a worker image of a Ray cluster. `make images` builds it; by hand, from the repository's root:
#   docker build -f docker/trainer.Dockerfile -t kuntur-trainer .
# Any image with Python 3.11 or newer, pip and bash, through which Ray starts its workers, will do as the base.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS built
RUN command -v bash > /dev/null || { echo 'the base image has no bash: Ray could start no worker' >&2; exit 1; }
WORKDIR /kuntur
COPY locks/trainer.txt locks/trainer.txt
# Where packages come from elsewhere than PyPI: --secret id=pip,src=pip.conf. It stays out of the image.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
      --require-hashes --target /packages -r locks/trainer.txt
COPY kuntur kuntur
COPY trainer trainer
ENV PYTHONPATH=/packages:/kuntur ORT_DISABLE_TELEMETRY=1
# Python's bytecode, which is taken whatever times an image gives to files, and the kernel's machine code.
RUN python -m compileall -q --invalidation-mode unchecked-hash /packages /kuntur \
 && python -m trainer compile \
 && python -m trainer compile --check

FROM ${BASE}
LABEL org.opencontainers.image.title="kuntur-trainer" \
      org.opencontainers.image.description="Trains fraud models and publishes them as bundles"
RUN echo 'kuntur:x:10001:10001::/work:/bin/false' >> /etc/passwd \
 && echo 'kuntur:x:10001:' >> /etc/group \
 && mkdir -p /registry /work \
 && chown 10001:10001 /registry /work
COPY --from=built /packages /packages
COPY --from=built /kuntur /kuntur
# `ray` is among the programs, for a node of a cluster.
ENV PATH=/packages/bin:$PATH PYTHONPATH=/packages:/kuntur PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/work MPLCONFIGDIR=/tmp/matplotlib ORT_DISABLE_TELEMETRY=1 \
    KUNTUR_TRAINER_REGISTRY=/registry \
    KUNTUR_TRAINER_WORK=/work
USER 10001:10001
WORKDIR /work
VOLUME ["/registry", "/work"]
ENTRYPOINT ["python", "-m", "trainer"]
