#!/usr/bin/env bash
# Makes the files in tests/conformance/ anew, or in the folder that is given: see README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
into=$(realpath "${1:-$here/../../tests/conformance}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The packages run without any network but loopback, and with nothing of this machine's settings.
alone() {
    env -i PATH="$PATH" HOME="$work" PYTHONPATH="$work/python:$here" PYTHONDONTWRITEBYTECODE=1 \
        unshare --map-root-user --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
}

python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --no-deps --target "$work/python" --requirement "$here/requirements.txt"
for name in requests endpoints chain frames; do
    alone python3 "$here/make_$name.py" "$into"
done

# Node looks for packages beside the script.
mkdir "$work/node"
cp "$here/package.json" "$here/make_pi_ai.mjs" "$work/node"
npm install --prefix "$work/node" --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
alone node --no-warnings "$work/node/make_pi_ai.mjs" "$into"
