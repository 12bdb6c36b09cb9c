#!/bin/sh
# Where npm is there, install mailauth, one of the readers that the tests ask, into DIRECTORY.
#   npm-reader.sh DIRECTORY
set -eu
here=$(dirname "$0")/../lab/readers
command -v npm >/dev/null || exit 0
cmp -s "$here/package-lock.json" "$1/package-lock.json" && [ -d "$1/node_modules/mailauth" ] && exit 0
mkdir -p "$1"
cp "$here/package.json" "$here/package-lock.json" "$1"
npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --loglevel=error ||
    echo "mailauth could not be installed; the tests with it are skipped" >&2
