#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rag/document.h"
#include "storage/concat.h"
#include "storage/ids.h"
#include "storage/point_id.h"

namespace vouch {

using RecordJson = nlohmann::ordered_json;

// The text of a record, on one line where `indent` is below 0. Bytes that are no UTF-8 become U+FFFD.
std::string DumpRecord(const RecordJson& json, int indent = -1);

inline RecordJson SpanToJson(const ByteSpan& span) { return RecordJson::array({span.begin, span.end}); }

// Takes the fields of one object; the first that is missing or of another kind is kept as the error, DATA_LOSS.
class RecordReader {
 public:
  // `thing`: whose fields they are, for errors. `json` has to live as long.
  RecordReader(const RecordJson& json, std::string where, std::string_view thing = "the record");

  // A text that was erased is what stands in its place, as JSON.
  void Take(const char* key, std::string* value);
  void Take(const char* key, bool* value);
  void Take(const char* key, double* value);
  void Take(const char* key, int64_t* value);
  void Take(const char* key, uint64_t* value);
  void Take(const char* key, uint32_t* value);
  void Take(const char* key, ByteSpan* span);
  void Take(const char* key, PointId* id);
  void Take(const char* key, RowId* row) { Take(key, &row->value); }
  void Take(const char* key, Version* version) { Take(key, &version->value); }

  // Whether the key has a value other than null.
  bool Has(const char* key) const;
  // The object of a key, by `read(object, where)`.
  template <typename T, typename Read>
  void TakeObject(const char* key, T* value, Read read) {
    const RecordJson* json = FindObject(key);
    if (json == nullptr) return;
    absl::StatusOr<T> taken = read(*json, Concat(where_, key, "."));
    if (taken.ok()) {
      *value = *std::move(taken);
    } else if (status_.ok()) {
      status_ = taken.status();
    }
  }

  // The items of an array, each read by `read(item, where)`.
  // An erased list is empty.
  template <typename T, typename Read>
  void TakeList(const char* key, std::vector<T>* items, Read read) {
    if (IsErased(key)) return;
    const RecordJson* json = FindArray(key);
    if (json == nullptr) return;
    items->reserve(json->size());
    for (const RecordJson& item : *json) {
      absl::StatusOr<T> value = read(item, Concat(where_, key, "[", items->size(), "]."));
      if (!value.ok()) {
        if (status_.ok()) status_ = value.status();
        return;
      }
      items->push_back(*std::move(value));
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  // {"erased":"HASH"} (storage/answer_digest.h)
  bool IsErased(const char* key) const;
  const RecordJson* Find(const char* key, bool (RecordJson::*is_kind)() const noexcept);
  const RecordJson* FindObject(const char* key);
  const RecordJson* FindArray(const char* key);
  void Fail(std::string_view key, std::string_view what);

  const RecordJson& json_;
  const std::string where_;
  const std::string thing_;
  absl::Status status_;
};

// An item of a list of texts; DATA_LOSS where it is none.
absl::StatusOr<std::string> ReadRecordText(const RecordJson& json, std::string where);

}  // namespace vouch
