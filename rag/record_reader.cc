#include "rag/record_reader.h"

namespace vouch {

std::string DumpRecord(const RecordJson& json, int indent) {
  return json.dump(indent, ' ', false, RecordJson::error_handler_t::replace);
}

RecordReader::RecordReader(const RecordJson& json, std::string where, std::string_view thing)
    : json_(json), where_(std::move(where)), thing_(thing) {
  if (!json.is_object()) Fail("", "is no object");
}

void RecordReader::Take(const char* key, std::string* value) {
  if (IsErased(key)) {
    *value = json_.find(key)->dump();
    return;
  }
  if (const RecordJson* json = Find(key, &RecordJson::is_string)) *value = json->get_ref<const std::string&>();
}

void RecordReader::Take(const char* key, bool* value) {
  if (const RecordJson* json = Find(key, &RecordJson::is_boolean)) *value = json->get<bool>();
}

void RecordReader::Take(const char* key, double* value) {
  if (const RecordJson* json = Find(key, &RecordJson::is_number)) *value = json->get<double>();
}

void RecordReader::Take(const char* key, int64_t* value) {
  if (const RecordJson* json = Find(key, &RecordJson::is_number_integer)) *value = json->get<int64_t>();
}

void RecordReader::Take(const char* key, uint64_t* value) {
  if (const RecordJson* json = Find(key, &RecordJson::is_number_unsigned)) *value = json->get<uint64_t>();
}

void RecordReader::Take(const char* key, uint32_t* value) {
  uint64_t wide = 0;
  Take(key, &wide);
  if (wide > UINT32_MAX) return Fail(key, "is too large");
  *value = static_cast<uint32_t>(wide);
}

void RecordReader::Take(const char* key, ByteSpan* span) {
  const RecordJson* json = FindArray(key);
  if (json == nullptr) return;
  if (json->size() != 2 || !(*json)[0].is_number_unsigned() || !(*json)[1].is_number_unsigned()) {
    return Fail(key, "is no pair of offsets");
  }
  *span = {(*json)[0].get<uint64_t>(), (*json)[1].get<uint64_t>()};
}

void RecordReader::Take(const char* key, PointId* id) {
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

bool RecordReader::Has(const char* key) const {
  const auto found = json_.find(key);
  return found != json_.end() && !found->is_null();
}

bool RecordReader::IsErased(const char* key) const {
  const auto found = json_.find(key);
  return found != json_.end() && found->is_object() && found->size() == 1 && found->contains("erased");
}

const RecordJson* RecordReader::Find(const char* key, bool (RecordJson::*is_kind)() const noexcept) {
  const auto found = json_.find(key);
  if (found != json_.end() && ((*found).*is_kind)()) return &*found;
  Fail(key, found == json_.end() ? "is missing" : "is of another kind");
  return nullptr;
}

const RecordJson* RecordReader::FindObject(const char* key) { return Find(key, &RecordJson::is_object); }

const RecordJson* RecordReader::FindArray(const char* key) { return Find(key, &RecordJson::is_array); }

void RecordReader::Fail(std::string_view key, std::string_view what) {
  if (status_.ok()) status_ = absl::DataLossError(Concat(thing_, " is damaged: ", where_, key, " ", what));
}

absl::StatusOr<std::string> ReadRecordText(const RecordJson& json, std::string where) {
  if (json.is_string()) return json.get<std::string>();
  if (where.ends_with('.')) where.pop_back();
  return absl::DataLossError(Concat("the record is damaged: ", where, " is no text"));
}

}  // namespace vouch
