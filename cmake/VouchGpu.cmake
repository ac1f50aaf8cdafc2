# GPUs: with VOUCH_GPU their code is built in. Without it nothing of CUDA is needed, and where nvcc is at hand a test compiles the
# sources all the same (tests/index/gpu).
find_program(VOUCH_NVCC nvcc HINTS ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(VOUCH_GPU)
  if(NOT VOUCH_NVCC)
    message(FATAL_ERROR "VOUCH_GPU needs the CUDA Toolkit: nvcc was not found in PATH, $CUDA_HOME/bin or /usr/local/cuda/bin")
  endif()
  if(NOT CMAKE_CUDA_COMPILER)
    set(CMAKE_CUDA_COMPILER "${VOUCH_NVCC}")
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # Those of the GPUs here; where there is none, Hopper's.
    execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
                    OUTPUT_VARIABLE vouch_capabilities ERROR_QUIET RESULT_VARIABLE vouch_no_gpu)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]+" vouch_capabilities "${vouch_capabilities}")
    list(REMOVE_DUPLICATES vouch_capabilities)
    string(REPLACE "." "" vouch_capabilities "${vouch_capabilities}")
    if(vouch_no_gpu OR NOT vouch_capabilities)
      set(vouch_capabilities 90)
    endif()
    set(CMAKE_CUDA_ARCHITECTURES "${vouch_capabilities}" CACHE STRING "Compute capabilities that GPU code is built for" FORCE)
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    # CMake 3.25 knows of no C++20 in nvcc, which has it from 12 on.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  find_package(CUDAToolkit 12 REQUIRED)
  message(STATUS "GPU: CUDA ${CUDAToolkit_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")

  # FAISS for GPUs, the rival of bench/run gpu; scripts/setup --gpu builds it.
  find_library(FAISS_GPU_LIBRARY NAMES faiss PATHS "${FAISS_GPU_ROOT}/lib" "${vouch_deps}/faiss-1.7.3-gpu/lib" NO_DEFAULT_PATH)
  find_path(FAISS_GPU_INCLUDE_DIR faiss/gpu/GpuIndexFlat.h PATHS "${FAISS_GPU_ROOT}/include"
    "${vouch_deps}/faiss-1.7.3-gpu/include" NO_DEFAULT_PATH)
  if(FAISS_GPU_LIBRARY AND FAISS_GPU_INCLUDE_DIR)
    add_library(vouch_faiss_gpu INTERFACE)
    target_include_directories(vouch_faiss_gpu SYSTEM INTERFACE "${FAISS_GPU_INCLUDE_DIR}")
    target_link_libraries(vouch_faiss_gpu INTERFACE "${FAISS_GPU_LIBRARY}" CUDA::cudart_static CUDA::cublas
      OpenMP::OpenMP_CXX BLAS::BLAS)
  endif()
endif()
