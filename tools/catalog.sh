#!/usr/bin/env bash
# Makes src/models/catalog.tsv anew, from the newest release of its two sources or from those that are given:
#
#     tools/catalog.sh [PI_AI_VERSION [LITELLM_VERSION]]
#
# pi-ai has the models, their limits and prices; litellm what service tiers cost, the fewest tokens that are cached, and
# when models end. Needs npm and pip. Read the difference before it is committed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "@earendil-works/pi-ai@${1:-latest}" >/dev/null)
tar -xzf "$work"/*.tgz -C "$work" package/dist/providers/data/amazon-bedrock.json
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "litellm${2:+==$2}"
unzip -q -d "$work" "$work"/*.whl litellm/model_prices_and_context_window_backup.json

cargo run --quiet --manifest-path "$here/Cargo.toml" --bin catalog -- \
    "$work/package/dist/providers/data/amazon-bedrock.json" \
    "$work/litellm/model_prices_and_context_window_backup.json"
