#!/usr/bin/env bash
# OpenAI's own Node client lists models, asks, streams and embeds. Skipped (77) where node or the npm registry is not at hand.
#   openai_client_test.sh VOUCH WORK_DIR
set -euo pipefail
vouch=$1 work=$2
here=$(cd "$(dirname "$0")" && pwd)
version=7.57.0
client=${VOUCH_DEPS_DIR:-$HOME/.cache/vouchdb}/openai-node-$version

command -v node > /dev/null && command -v npm > /dev/null || { echo 'openai client: no node or npm here'; exit 77; }
if [ ! -d "$client" ]; then
  mkdir -p "$(dirname "$client")"
  fetched=$(mktemp -d "$client.XXXXXX")
  (cd "$fetched" && timeout 60 npm install --silent --ignore-scripts --no-audit --no-fund "openai@$version" > npm.log 2>&1) ||
    { echo 'openai client: npm does not give it'; rm -rf "$fetched"; exit 77; }
  mv -T "$fetched" "$client" 2> /dev/null || rm -rf "$fetched"  # another run was faster
fi

rm -rf "$work"
mkdir -p "$work/notes"
cd "$work"
printf '# Storage\n\nA backup is incremental. Every write is durable.\n' > notes/storage.md
printf '# Search\n\nSearch has three modes.\n' > notes/search.md
printf 'pipeline:\n  name: support\n  collection: notes\n' > support.yaml
export XDG_DATA_HOME=$work/data
unset "${!VOUCH_@}"
"$vouch" ingest notes notes --embedder 'builtin/hash?dim=64' > ingest.log 2>&1
"$vouch" apply -f support.yaml > apply.log

"$vouch" serve --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --port-file port > serve.log 2>&1 &
server=$!
trap 'kill $server 2> /dev/null; wait $server || true' EXIT
for _ in $(seq 300); do [ -s port ] && break; sleep 0.1; done
url=$(sed -n 's/.*HTTP on \([^ ]*\).*/\1/p' serve.log)
[ -n "$url" ] || { cat serve.log >&2; exit 1; }
node "$here/openai_client_test.mjs" "http://$url/v1" "$client/node_modules/openai/index.mjs"
