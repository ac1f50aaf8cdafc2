#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/ids.h"

namespace vouch {

// The rows that retention has let go, a bit each, in chunks that have memory only where there is one.
// Thread compatible; copies are deep.
class PurgedRows {
 public:
  static constexpr uint64_t kChunkRows = 65'536;
  using Chunk = std::array<uint64_t, kChunkRows / 64>;

  void Add(RowRange rows);
  void Add(const PurgedRows& other);
  bool Contains(RowId row) const;
  uint64_t Count(RowRange rows) const;
  uint64_t count() const { return count_; }
  // The ranges of rows, ascending, as long as they can be.
  void ForEachRange(const std::function<void(RowRange)>& visit) const;

  // The value that is stored for chunk `number` of a collection (README.md of this folder): its rows as runs or as bits,
  // whichever is shorter, sealed.
  std::string EncodeChunk(CollectionId collection, uint64_t number) const;
  // Adds what EncodeChunk wrote. DATA_LOSS.
  absl::Status AddChunk(CollectionId collection, uint64_t number, std::string_view value);

 private:
  std::map<uint64_t, Chunk> chunks_;  // by number; none is empty
  uint64_t count_ = 0;
};

}  // namespace vouch
