#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "vouch/v1/search.pb.h"

namespace vouch {

// Pieces of what the commands print for people.

// Rows under a header, columns aligned, two spaces between; the last column is as long as it is.
std::string FormatTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows);
std::string FormatTime(int64_t time_us);  // "2026-11-23T10:00:00.123Z"
std::string FormatCount(uint64_t count);  // "12,345"
std::string FormatBytes(uint64_t bytes);  // "1.2 MiB"
std::string FormatPointId(const v1::PointId& id);
// "1 point", "12,345 points".
std::string FormatCounted(uint64_t count, const std::string& noun);

// About `max_bytes` of a text around the place where most of the query's words stand, in one line,
// cut at words and never inside a UTF-8 character; "…" where something was left out.
std::string MakeSnippet(const std::string& text, const std::string& query, size_t max_bytes);

}  // namespace vouch
