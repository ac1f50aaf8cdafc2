# What bench/run does for gpu and gpu-bundle; sourced by it.
gpu_targets=(index_gpu_test bench_gpu bench_gpu_serve vouch)
gpu_programs=(tests/index/gpu/index_gpu_test bench/bench_gpu bench/bench_gpu_serve vouch)
gpu_pack=$PWD/build/gpu-bundle.tar.xz

has_nvcc() { command -v nvcc > /dev/null || [ -x "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" ]; }

build_gpu() {
  if [ ! -f build/gpu/build.ninja ]; then cmake --preset gpu >&2 || return 1; fi
  cmake --build build/gpu --target "${gpu_targets[@]}" >&2
}

# The programs, and the libraries that another machine may lack: not the C and C++ ones, nor CUDA's, which belong to its driver.
gpu_bundle() {
  build_gpu
  local folder program
  folder=$(mktemp -d)
  mkdir "$folder/lib"
  for program in "${gpu_programs[@]}"; do
    strip -o "$folder/${program##*/}" "build/gpu/$program"
    ldd "build/gpu/$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }'
  done | sort -u | grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|ld-linux[^/]*|libgcc_s|libstdc\+\+|libcuda|libcublas|libcublasLt|libcudart)\.so' |
    xargs -I '{}' cp -L '{}' "$folder/lib"
  git describe --always --dirty > "$folder/commit"
  tar -C "$folder" -cJf "$gpu_pack" .
  rm -rf "$folder"
  printf '%s: %s MiB\n' "${gpu_pack#"$PWD"/}" "$(($(stat -c %s "$gpu_pack") >> 20))"
}

# Whether the tool finds nothing to say of a few kernels' tests. `with` is an array: what the programs are run with.
sanitize_gpu() {  # SANITIZER TOOL TEST SECONDS
  local log status=0
  log=$(mktemp)
  VOUCH_TEST_GPU=0 timeout "$4" "${with[@]}" "$1" --tool "$2" --error-exitcode 9 "$3" --gtest_color=no \
    --gtest_filter='KernelParity.ComparesCodesByTheirKeys:KernelParity.SharesBitmapsAndLists:KernelParity.OrdersInfinityAndZeros' \
    > "$log" 2>&1 || status=$?
  if [ "$status" = 0 ] && grep -q 'PASSED  \] 3 tests' "$log"; then
    echo "PASS compute-sanitizer $2"
    status=0
  elif [ "$status" = 124 ]; then
    echo "NOT CHECKED: compute-sanitizer $2 did not end in $4 s"
    status=0
  elif grep -qi 'not supported' "$log"; then
    echo "NOT CHECKED: compute-sanitizer $2: $(grep -im 1 'not supported' "$log")"
    status=0
  else
    echo "FAIL compute-sanitizer $2"
    grep -m 20 '=========' "$log" || tail -n 5 "$log"
    status=1
  fi
  rm -f "$log"
  return "$status"
}

# Compares with FAISS where that was built with CUDA (scripts/setup --gpu). Builds what it needs; where nvcc is not here, takes what
# gpu-bundle packed. Exit status 3: no GPU, or nothing to run there, so nothing was measured.
gpu() {
  if ! command -v nvidia-smi > /dev/null || ! nvidia-smi -L > /dev/null 2>&1; then
    echo 'REFUSED: there is no GPU here; nothing was measured.'
    return 3
  fi
  local folder='' with=() test bench serve vouch sanitizer tool log failed=0
  # A machine may have nvcc and still lack the libraries: then a bundle is there.
  if [ -f "$gpu_pack" ] && { ! has_nvcc || ! pkg-config --exists protobuf grpc++ 2> /dev/null; }; then
    folder=$(mktemp -d)
    tar -C "$folder" -xJf "$gpu_pack"
    echo "programs of commit $(cat "$folder/commit"), brought along"
    with=(env "LD_LIBRARY_PATH=$folder/lib:${CUDA_HOME:-/usr/local/cuda}/lib64:${CUDA_HOME:-/usr/local/cuda}/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")
    test=$folder/index_gpu_test bench=$folder/bench_gpu serve=$folder/bench_gpu_serve vouch=$folder/vouch
  elif ! has_nvcc; then
    echo 'REFUSED: nvcc is not here, so the code for GPUs cannot be built (bench/run gpu-bundle packs it elsewhere); nothing was measured.'
    return 3
  else
    build_gpu || { echo 'FAILED: the code for GPUs was not built'; return 1; }
    test=build/gpu/${gpu_programs[0]} bench=build/gpu/${gpu_programs[1]} serve=build/gpu/${gpu_programs[2]} vouch=build/gpu/vouch
  fi
  # Eight minutes from here on; each part ends where the time does.
  local began=$SECONDS
  left() { echo $((465 - (SECONDS - began))); }
  nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.max.sm,clocks.mem --format=csv,noheader
  log=$(mktemp)
  VOUCH_TEST_GPU=0 timeout 60 "${with[@]}" "$test" --gtest_filter='KernelParity.*:*WithTheKernels' --gtest_color=no > "$log" 2>&1 || failed=1
  sed -n 's/^\[       OK \] \([^ ]*\).*/PASS parity: \1 on the GPU/p; s/^\[  FAILED  \] \([^ ]*\) (.*/FAIL parity: \1 on the GPU/p' "$log"
  if [ "$failed" = 1 ] || ! grep -q '^\[       OK \]' "$log"; then
    echo 'FAIL parity: the tests of the kernels did not pass on the GPU'
    tail -n 5 "$log"
    failed=1
  fi
  rm -f "$log"
  timeout 200 "${with[@]}" "$bench" --seconds 190 exact build || failed=1
  timeout "$(($(left) - 115))" "${with[@]}" "$bench" --seconds "$(($(left) - 120))" ivf || failed=1
  timeout "$(left)" "${with[@]}" "$serve" "$vouch" --seconds "$(($(left) - 3))" || failed=1
  sanitizer=$(command -v compute-sanitizer || echo "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer")
  for tool in memcheck racecheck synccheck; do
    if [ ! -x "$sanitizer" ]; then
      echo "NOT CHECKED: compute-sanitizer is not here ($tool)"
    elif [ "$(left)" -lt 20 ]; then
      echo "NOT CHECKED: compute-sanitizer $tool: $(left) seconds are left"
    else
      sanitize_gpu "$sanitizer" "$tool" "$test" "$(left)" || failed=1
    fi
  done
  [ -z "$folder" ] || rm -rf "$folder"
  [ "$failed" = 0 ] || echo 'FAILED: a check above, or a part that did not end'
  return "$failed"
}
