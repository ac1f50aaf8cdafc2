#pragma once

namespace vouch {

inline constexpr char kProgramVersion[] = VOUCH_VERSION;
inline constexpr char kApiVersion[] = "vouch.v1";
#if defined(__clang__)
inline constexpr char kCompiler[] = "Clang " __clang_version__;
#else
inline constexpr char kCompiler[] = "GCC " __VERSION__;
#endif

}  // namespace vouch
