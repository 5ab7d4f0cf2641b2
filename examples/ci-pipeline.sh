#!/bin/sh
# A CI job: the base's packages in one cached step, the application in another, the result pushed.
# Run it twice: the second time no step runs, and nothing but the manifest is sent.
#
#   examples/ci-pipeline.sh BASE DESTINATION [SOURCE DIRECTORY]
set -eu
base=$1
destination=$2
source=${3:-.}
export BLD_CACHE=1

ctr=$(bld from "$base")
trap 'bld rm "$ctr" >/dev/null' EXIT
if bld run "$ctr" sh -c 'command -v apt-get >/dev/null'; then
  bld run "$ctr" sh -c 'apt-get update -q && apt-get install -yq --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*'
fi
bld copy -q --chown 1000:1000 --exclude .git --exclude node_modules --contextdir "$source" "$ctr" . /app
bld config --workingdir /app --user 1000:1000 --env NODE_ENV=production --port 8080 "$ctr"
bld commit -q "$ctr" "$destination"
