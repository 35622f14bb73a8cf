#!/bin/sh
# Writes the data and charts of this folder; from the root of a checkout, in a second.
set -e
here=experiments/planned-scaling
for ghosts in 16 64; do
  for machine in mi250x h100; do
    npx phantom-parallel plan --machine $machine --width 65536 --depth 4 --ghosts $ghosts --batch 1024 \
      --sweep blocks --most-ranks 256 --json > $here/$machine-k$ghosts.json
  done
  npx phantom-parallel plan --machine mi250x --width 65536 --depth 4 --ghosts $ghosts --batch 1024 \
    --sweep blocks --most-ranks 256 --chart $here/mi250x-k$ghosts.svg > /dev/null
done
npx phantom-parallel plan --machine mi250x --width 65536 --depth 4 --batch 1024 --search --most-ranks 256 \
  --json > $here/mi250x-search.json
