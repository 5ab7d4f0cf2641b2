#!/bin/sh
# Makes the stand-ins for public images in the store, under the public names, with node of this machine:
#
#   examples/stand-ins/make.sh [BASE]       BASE: a small image with a shell, such as busybox
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=$here/../../bin:$PATH
base=${1:-docker.io/library/busybox:stable}
node=$(readlink -f "${NODE:-$(command -v node)}")

machine=$(mktemp -d)
trap 'rm -rf "$machine"' EXIT
install -D "$node" "$machine/usr/local/bin/node"
ldd "$node" | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$machine$library"; done

make() {
  bld build -q --build-arg "BASE=$base" --build-context "machine=$machine" --target "$1" -t "$2" "$here" >/dev/null
}
make common docker.io/library/alpine:3.22
make debian docker.io/library/debian:bookworm-slim
make node docker.io/library/node:24-slim
make python docker.io/library/python:3.14-slim
make golang docker.io/library/golang:1.25-alpine
make maven docker.io/library/maven:3.9-eclipse-temurin-21
make temurin docker.io/library/eclipse-temurin:21-jre
make distroless gcr.io/distroless/static-debian12:nonroot
make nginx docker.io/library/nginx:1.29-alpine
make postgres docker.io/library/postgres:17-alpine
