#pragma once

namespace vouch {

inline constexpr char kTenant[] = "default";
inline constexpr char kActor[] = "default/a";

}  // namespace vouch
