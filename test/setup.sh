#!/bin/sh
# What the tests need besides the sources: peers to compare with, a real registry, and users to be rootless as. Run by
# `npm test`; quick when all is there. Needs root and Debian's apt to install; elsewhere it says what is missing, and
# the tests that need it say so too.
set -eu
packages="uidmap busybox-static openssl xz-utils bzip2 zstd attr git openssh-client cpp procps docker-registry skopeo
  umoci buildah podman runc crun slirp4netns passt fuse-overlayfs docker.io iptables"
missing=""
for package in $packages; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
if [ "$(id -u)" != 0 ]; then
  echo "test/setup.sh: not root: only what needs no other users and no packages can be tested"
  [ -z "$missing" ] || echo "test/setup.sh: not installed:$missing"
  exit 0
fi
if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "test/setup.sh: no apt-get: not installed:$missing"
  else
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086
    apt-get install -yq --no-install-recommends $missing
  fi
fi
# tester has subordinate ids, plain has none
id tester >/dev/null 2>&1 || useradd -m tester
grep -q ^tester: /etc/subuid || echo tester:100000:65536 >>/etc/subuid
grep -q ^tester: /etc/subgid || echo tester:100000:65536 >>/etc/subgid
id plain >/dev/null 2>&1 || useradd -m plain
sed -i '/^plain:/d' /etc/subuid /etc/subgid
