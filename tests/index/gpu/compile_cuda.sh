#!/bin/sh
# Compiles what only a build with -DVOUCH_GPU=ON links, and makes such a build ready, so that neither can rot where no GPU is at hand.
#   compile_cuda.sh NVCC CXX SOURCE_DIR FAISS_INCLUDE_DIR CMAKE
set -eu
nvcc=$1
cxx=$2
source=$3
faiss=$4
cmake=$5
include=$(dirname "$(dirname "$(readlink -f "$nvcc")")")/include
[ -f "$include/cuda_runtime.h" ] || include=/usr/local/cuda/include
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# Device code for every kernel; a warning is an error, as in the rest of the tree.
"$nvcc" -std=c++20 -arch=sm_90 -Werror all-warnings -Xcompiler=-Wall,-Wextra,-Werror -I"$source" \
  -c "$source/index/gpu/cuda/kernels.cu" -o "$out/kernels.o"
for file in cuda_driver cuda_gpus; do
  "$cxx" -std=c++20 -Wall -Wextra -Werror -Wno-psabi -fsyntax-only -I"$source" -isystem "$include" "$source/index/gpu/cuda/$file.cc"
done
# The rival's, where FAISS brought its headers for GPUs.
[ ! -f "$faiss/faiss/gpu/GpuIndexFlat.h" ] ||
  "$cxx" -std=c++20 -Wall -Wextra -Werror -Wno-psabi -fsyntax-only -I"$source" -isystem "$include" -isystem "$faiss" \
    "$source/bench/gpu_rivals.cc"
"$cmake" -S "$source" -B "$out/build" -G Ninja -DVOUCH_GPU=ON -DVOUCH_UNITY=ON -DCMAKE_CUDA_COMPILER="$nvcc" \
  -DFAISS_ROOT="${faiss%/include}" > "$out/log" 2>&1 || {
  cat "$out/log"
  exit 1
}
