#!/usr/bin/env bash
# The HTML reports of `vouch eval`, as headless Chromium shows and prints them. Skipped (77) where it is not installed.
#   report_browser_test.sh VOUCH WORK_DIR
set -euo pipefail
vouch=$1 work=$2
here=$(cd "$(dirname "$0")" && pwd)
chromium=$(command -v chromium) || { echo 'report: chromium is not installed (scripts/setup --browser)'; exit 77; }

rm -rf "$work"
mkdir -p "$work/notes"
cd "$work"
export XDG_DATA_HOME=$work/data
unset "${!VOUCH_@}"
words=(rotor stator piston valve gasket crank bearing shaft)
for i in "${!words[@]}"; do
  word=${words[i]}
  printf '# %s\n\nThe %s is held by four screws of size %d. It is oiled on day %d.\n' "$word" "$word" "$i" "$((i * 3))" > "notes/$word.md"
  printf '{"_id": "%s", "text": "How is the %s held?", "tags": ["<b>%d</b>"], "answers": ["The %s is held by four screws of size %d."], "documents": ["notes/%s.md"]}\n' \
    "$word" "$word" "$((i % 2))" "$word" "$i" "${words[i % 5]}" >> questions.jsonl
done
"$vouch" ingest notes notes --embedder 'builtin/hash?dim=64' --quiet > ingest.log 2>&1
"$vouch" dataset import set questions.jsonl > dataset.log
"$vouch" eval run notes --dataset set --mode text --answers quotes --report text.html > text.log 2>&1
"$vouch" eval run notes --dataset set --mode dense --answers quotes --report dense.html > dense.log 2>&1
mapfile -t ids < <("$vouch" eval list --json | sed -n 's/.*"id": "\(.*\)",/\1/p')
"$vouch" eval compare "${ids[1]}" "${ids[0]}" --metric ndcg_cut_10 --report compare.html > compare.log
python3 "$here/report_browser_test.py" "$chromium" text.html="$(grep -c '<svg' text.html)" compare.html=2
