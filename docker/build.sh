#!/usr/bin/env bash
# Builds the images named (server, trainer; both by default) with docker, podman or buildah, whichever is there.
#
#   IMAGE_BUILDER    docker, podman or buildah instead of the first that works
#   IMAGE_BASE       the base image instead of the one that the Dockerfiles name
#   IMAGE_OPTIONS    more options for the builder, such as "--network host"
#   PIP_CONFIG_FILE  pip's settings for the build; they do not enter the images
set -euo pipefail
cd "$(dirname "$0")/.."

# A client without its engine is no builder.
works() {
  case $1 in
    docker) docker info ;;
    podman) podman info ;;
    buildah) buildah --version ;;
    *) return 1 ;;
  esac > /dev/null 2>&1
}

builder=${IMAGE_BUILDER:-}
if [[ -n $builder ]]; then
  works "$builder" || { echo "images: $builder does not work here; it must be docker, podman or buildah" >&2; exit 2; }
else
  for candidate in docker podman buildah; do
    if works $candidate; then builder=$candidate; break; fi
  done
fi
if [[ -z $builder ]]; then
  echo 'images: neither docker nor podman nor buildah works here; on Debian: apt-get install buildah' >&2
  exit 2
fi

read -ra options <<< "${IMAGE_OPTIONS:-}"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)
options+=(--label "org.opencontainers.image.version=$version")
revision=$(git rev-parse HEAD 2> /dev/null || true)
[[ -z $revision ]] || options+=(--label "org.opencontainers.image.revision=$revision")
[[ -z ${IMAGE_BASE:-} ]] || options+=(--build-arg "BASE=$IMAGE_BASE")
[[ ! -f ${PIP_CONFIG_FILE:-} ]] || options+=(--secret "id=pip,src=$PIP_CONFIG_FILE")

for part in "${@:-server trainer}"; do
  for one in $part; do
    echo "Building kuntur-$one:$version with $builder ..."
    "$builder" build "${options[@]}" --file "docker/$one.Dockerfile" \
      --tag "kuntur-$one:$version" --tag "kuntur-$one:latest" .
  done
done
