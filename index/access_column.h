#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "index/bitmap.h"
#include "storage/principal.h"

namespace vouch {

// Who may see which row of one segment. Lists are interned: many rows share few. Immutable, thread safe.
//
// Bytes: u32 number of lists, each as u32 number of names, each name as u32 length and bytes; then u32 list of each
// row, kEveryone where it has none. Lists are numbered by their first row; names are ascending, each once.
class AccessColumn {
 public:
  static constexpr uint32_t kEveryone = 0xFFFFFFFFu;

  // Null where no row has a list.
  static std::shared_ptr<const AccessColumn> Build(std::span<const std::vector<std::string>* const> rows);
  // `parts` may be null, each of `part_rows` rows.
  static std::shared_ptr<const AccessColumn> Merge(std::span<const AccessColumn* const> parts,
                                                   std::span<const uint32_t> part_rows);
  static absl::StatusOr<std::shared_ptr<const AccessColumn>> Parse(std::string_view bytes, uint32_t rows);
  std::string Serialize() const;

  // Clears the rows whose list names neither the principal's subject nor one of its groups.
  void ClearHidden(const Principal& principal, Bitmap& rows) const;
  bool MayHideFrom(const Principal& principal) const;
  size_t memory_bytes() const;

 private:
  class Interner;
  std::vector<bool> Permitted(const Principal& principal) const;

  std::vector<std::vector<std::string>> lists_;
  std::vector<uint32_t> list_of_row_;
};

}  // namespace vouch
