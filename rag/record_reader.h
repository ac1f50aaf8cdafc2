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

inline RecordJson SpanToJson(const ByteSpan& span) {
  return RecordJson::array({span.begin, span.end});
}

// Takes the fields of one object; the first that is missing or of another kind is kept as the
// error.
class RecordReader {
 public:
  // `thing`: whose fields they are, for errors.
  RecordReader(const RecordJson& json, std::string where,
               std::string_view thing = "the record")
      : json_(json), where_(std::move(where)), thing_(thing) {
    if (!json.is_object()) Fail("", "is no object");
  }

  // A text that was erased is what stands in its place, as JSON.
  void Take(const char* key, std::string* value) {
    if (IsErased(key)) {
      *value = json_.find(key)->dump();
      return;
    }
    if (const RecordJson* json = Find(key, &RecordJson::is_string))
      *value = json->get_ref<const std::string&>();
  }
  void Take(const char* key, bool* value) {
    if (const RecordJson* json = Find(key, &RecordJson::is_boolean)) *value = json->get<bool>();
  }
  void Take(const char* key, double* value) {
    if (const RecordJson* json = Find(key, &RecordJson::is_number)) *value = json->get<double>();
  }
  void Take(const char* key, int64_t* value) {
    if (const RecordJson* json = Find(key, &RecordJson::is_number_integer))
      *value = json->get<int64_t>();
  }
  void Take(const char* key, uint64_t* value) {
    if (const RecordJson* json = Find(key, &RecordJson::is_number_unsigned))
      *value = json->get<uint64_t>();
  }
  void Take(const char* key, uint32_t* value) {
    uint64_t wide = 0;
    Take(key, &wide);
    if (wide > UINT32_MAX) return Fail(key, "is too large");
    *value = static_cast<uint32_t>(wide);
  }
  void Take(const char* key, ByteSpan* span) {
    const RecordJson* json = Find(key, &RecordJson::is_array);
    if (json == nullptr) return;
    if (json->size() != 2 || !(*json)[0].is_number_unsigned() || !(*json)[1].is_number_unsigned()) {
      return Fail(key, "is no pair of offsets");
    }
    *span = {(*json)[0].get<uint64_t>(), (*json)[1].get<uint64_t>()};
  }
  void Take(const char* key, PointId* id) {
    const auto found = json_.find(key);
    if (found != json_.end() && found->is_number_unsigned()) {
      *id = PointId(found->get<uint64_t>());
    } else if (found != json_.end() && found->is_string()) {
      absl::StatusOr<PointId> parsed = PointId::FromString(found->get_ref<const std::string&>());
      if (!parsed.ok()) return Fail(key, "is no point id");
      *id = *std::move(parsed);
    } else {
      Fail(key, "is no point id");
    }
  }
  void Take(const char* key, RowId* row) { Take(key, &row->value); }
  void Take(const char* key, Version* version) { Take(key, &version->value); }

  // Whether the key has a value other than null.
  bool Has(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && !found->is_null();
  }
  // The object of a key, by `read(object, where)`.
  template <typename T, typename Read>
  void TakeObject(const char* key, T* value, Read read) {
    const RecordJson* json = Find(key, &RecordJson::is_object);
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
    const RecordJson* json = Find(key, &RecordJson::is_array);
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
  bool IsErased(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_object() && found->size() == 1 && found->contains("erased");
  }
  const RecordJson* Find(const char* key, bool (RecordJson::*is_kind)() const noexcept) {
    const auto found = json_.find(key);
    if (found != json_.end() && ((*found).*is_kind)()) return &*found;
    Fail(key, found == json_.end() ? "is missing" : "is of another kind");
    return nullptr;
  }
  void Fail(std::string_view key, std::string_view what) {
    if (status_.ok()) {
      status_ =
          absl::DataLossError(Concat(thing_, " is damaged: ", where_, key, " ", what));
    }
  }

  const RecordJson& json_;
  const std::string where_;
  const std::string thing_;
  absl::Status status_;
};

inline absl::StatusOr<std::string> ReadRecordText(const RecordJson& json, std::string where) {
  if (json.is_string()) return json.get<std::string>();
  if (where.ends_with('.')) where.pop_back();
  return absl::DataLossError(Concat("the record is damaged: ", where, " is no text"));
}

}  // namespace vouch
