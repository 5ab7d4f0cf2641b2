#!/bin/sh
# Builds an image out of this machine alone, no registry needed: a base with the machine's own shell and tools, and an
# application on top of it. Then shows both, and runs the application.
#
#   examples/machine-base.sh [DIRECTORY FOR AN OCI LAYOUT]
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/bin:$PATH"

# The base: a few programs of this machine with the libraries they need.
base=$(bld from --name machine-base scratch)
trap 'bld rm machine-base app >/dev/null 2>&1 || true' EXIT
for program in sh ls cat id env uname; do
  path=$(readlink -f "$(command -v "$program")")
  bld copy -q "$base" "$path" "/bin/$program"
  ldd "$path" 2>/dev/null | grep -o '/[^ ]*' || true
done | sort -u | while read -r library; do
  bld copy -q "$base" "$library" "$library"
done
printf 'root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n' >/tmp/passwd.$$
bld copy -q "$base" /tmp/passwd.$$ /etc/passwd
rm /tmp/passwd.$$
bld config --env PATH=/bin --cmd /bin/sh "$base"
bld commit -q "$base" machine >/dev/null

# The application: files with an owner, a step that runs, settings.
app=$(bld from --name app machine)
bld copy -q --chown app "$app" README.md /srv/README.md
bld run "$app" sh -c 'echo "built on $(uname -sr)" > /srv/built'
bld config --user app --workingdir /srv --cmd '["cat", "built"]' --label org.opencontainers.image.title=hello "$app"
bld commit -q "$app" hello >/dev/null

bld images
echo
bld inspect --type image --format 'user {{.OCIv1.Config.User}}, command {{.OCIv1.Config.Cmd}}, {{len .OCIv1.RootFS.DiffIDs}} layers' hello
echo
bld run "$app" cat /srv/built
if [ $# -gt 0 ]; then
  bld push -q hello "oci:$1:hello"
fi
