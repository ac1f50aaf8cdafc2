#include "query/writer.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "index/dense/kernels.h"
#include "index/multi/max_sim.h"
#include "index/payload/payload_columns.h"
#include "nlohmann/json.hpp"
#include "query/json_text.h"
#include "storage/vector_codec.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

absl::Status InvalidWrite(const std::string& label, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(label, ": ", std::string(what)));
}

// The byte where `text` stops being UTF-8 (RFC 3629), or npos.
size_t FindBadUtf8(std::string_view text) {
  size_t at = 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  while (at < text.size()) {
    const uint8_t lead = byte(at);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return at;
    const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(at + 1) < low || byte(at + 1) > high) return at;
    for (size_t i = 2; i < length; ++i) {
      if ((byte(at + i) & 0xc0) != 0x80) return at;
    }
    at += length;
  }
  return std::string_view::npos;
}

// Accepts one JSON object of bounded depth and builds nothing.
class ObjectChecker : public nlohmann::json_sax<Json> {
 public:
  const std::string& error() const { return error_; }

  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Value() && Enter(); }
  bool end_array() override { return Leave(); }
  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::detail::exception&) override {
    error_ = absl::StrCat("is not JSON: mistake at byte ", position, " near '",
                          last_token.substr(0, kShownBytes), "'");
    return false;
  }

 private:
  static constexpr size_t kShownBytes = 40;

  bool Value() {
    if (depth_ > 0) return true;
    error_ = "is not a JSON object";
    return false;
  }
  bool Enter() {
    if (++depth_ <= WriteLimits::kMaxPayloadDepth) return true;
    error_ = absl::StrCat("is over ", WriteLimits::kMaxPayloadDepth, " levels deep");
    return false;
  }
  bool Leave() {
    --depth_;
    return true;
  }

  size_t depth_ = 0;
  std::string error_;
};

absl::Status CheckObject(std::string_view json, const std::string& label, std::string_view what) {
  if (json.size() > Limits::kMaxPayloadBytes) {
    return InvalidWrite(label, absl::StrCat(std::string(what), " has ", json.size(), " bytes, over ",
                                       Limits::kMaxPayloadBytes));
  }
  if (json == "{}") return absl::OkStatus();
  if (const size_t bad = FindBadUtf8(json); bad != std::string_view::npos) {
    return InvalidWrite(label, absl::StrCat(std::string(what), " is not UTF-8 at byte ", bad));
  }
  ObjectChecker checker;
  if (!Json::sax_parse(json, &checker)) {
    return InvalidWrite(label, absl::StrCat(std::string(what), " ", checker.error()));
  }
  return absl::OkStatus();
}

absl::Status CheckVector(const DenseField& field, const std::vector<float>& vector,
                         const std::string& label) {
  if (vector.size() != field.dim) {
    return InvalidWrite(label, absl::StrCat("field '", field.name, "': the vector has ", vector.size(),
                                       " dimensions, the field has ", field.dim));
  }
  bool zero = true;
  for (size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      return InvalidWrite(label, absl::StrCat("field '", field.name, "': the value at position ", i,
                                         " is ", std::isnan(vector[i]) ? "NaN" : "infinite"));
    }
    zero = zero && vector[i] == 0;
  }
  if (zero && field.metric == Metric::kCosine) {
    return InvalidWrite(label, absl::StrCat("field '", field.name,
                                       "': a zero vector has no direction, and the field is "
                                       "compared by cosine"));
  }
  // A normalised vector is within every type's range.
  if (field.type == VectorType::kF32 || field.metric == Metric::kCosine) return absl::OkStatus();
  std::vector<float> rounded = vector;
  if (absl::Status status = RoundVector(field.type, rounded); !status.ok()) {
    return InvalidWrite(label, absl::StrCat("field '", field.name, "': ", status.message()));
  }
  return absl::OkStatus();
}

absl::Status CheckAccess(const std::vector<std::string>& access, const std::string& label) {
  if (access.size() > WriteLimits::kMaxAccessEntries) {
    return InvalidWrite(label, absl::StrCat("the access list has ", access.size(), " entries, over ",
                                       WriteLimits::kMaxAccessEntries));
  }
  for (size_t i = 0; i < access.size(); ++i) {
    if (access[i].empty() || access[i].size() > WriteLimits::kMaxAccessBytes) {
      return InvalidWrite(label, absl::StrCat("access[", i, "] has ", access[i].size(),
                                         " bytes; it takes 1 to ", WriteLimits::kMaxAccessBytes));
    }
    if (FindBadUtf8(access[i]) != std::string_view::npos) {
      return InvalidWrite(label, absl::StrCat("access[", i, "] is not UTF-8"));
    }
  }
  return absl::OkStatus();
}

struct FieldName {
  template <typename Field>
  void operator()(std::string* out, const Field& field) const {
    absl::StrAppend(out, "'", field.name, "'");
  }
};

// The ordinal of a field that is named for the first time in a point; `given` has a bit for each,
// of at most Limits::kMaxFields = 64.
template <typename Field>
absl::StatusOr<int> TakeField(const std::vector<Field>& fields, int ordinal, std::string_view kind,
                              const std::string& name, uint64_t& given) {
  if (ordinal < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown ", std::string(kind), " field '", name,
        "'; there are: ", fields.empty() ? "none" : absl::StrJoin(fields, ", ", FieldName())));
  }
  const uint64_t bit = uint64_t{1} << ordinal;
  if ((given & bit) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("field '", name, "' is given twice"));
  }
  given |= bit;
  return ordinal;
}

size_t RowBytes(const PointInput& point) {
  size_t bytes = point.payload.size() + point.provenance.size();
  for (const auto& [name, vector] : point.vectors) bytes += vector.size() * sizeof(float);
  for (const auto& [name, vector] : point.sparse_vectors) bytes += vector.indices.size() * 8;
  for (const auto& [name, vector] : point.multi_vectors) bytes += vector.values.size() * sizeof(float);
  for (const std::string& entry : point.access) bytes += entry.size();
  return bytes;
}

absl::Status CheckCommitLimits(const WriteRequest& request) {
  const size_t rows = request.upserts.size() + request.deletes.size();
  if (rows > Limits::kMaxCommitRows) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the write has ", request.upserts.size(), " upserts and ", request.deletes.size(),
        " deletes, together over ", Limits::kMaxCommitRows, "; send it in parts"));
  }
  size_t bytes = 0;
  for (const PointInput& point : request.upserts) bytes += RowBytes(point);
  for (const DocumentChange& change : request.documents) {
    bytes += change.key.size() + (change.value ? change.value->size() : 0);
  }
  for (const Artifact& artifact : request.artifacts) bytes += artifact.bytes.size();
  if (bytes > Limits::kMaxCommitBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the write has ", bytes, " bytes, over ",
                                                   Limits::kMaxCommitBytes, "; send it in parts"));
  }
  if (request.request_id.size() > Limits::kMaxRequestIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request_id has ", request.request_id.size(),
                                                   " bytes, over ", Limits::kMaxRequestIdBytes));
  }
  if (FindBadUtf8(request.request_id) != std::string_view::npos) {
    return absl::InvalidArgumentError("request_id is not UTF-8");
  }
  return absl::OkStatus();
}

std::string Label(const PointId& id, std::string_view list, size_t position) {
  return absl::StrCat("point '", id.ToString(), "' (", std::string(list), "[", position, "])");
}

absl::Status CheckDistinct(const WriteRequest& request) {
  absl::flat_hash_set<std::string> seen;
  seen.reserve(request.upserts.size() + request.deletes.size());
  for (size_t i = 0; i < request.upserts.size(); ++i) {
    const PointId& id = request.upserts[i].id;
    if (!seen.insert(id.Encode()).second) {
      return InvalidWrite(Label(id, "upserts", i), "the id stands twice in one write");
    }
  }
  for (size_t i = 0; i < request.deletes.size(); ++i) {
    const PointId& id = request.deletes[i];
    if (!seen.insert(id.Encode()).second) {
      return InvalidWrite(Label(id, "deletes", i), "the id stands twice in one write");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Writer::CheckParts(const PointInput& point, const std::string& label) const {
  uint64_t dense = 0;
  for (const auto& [name, vector] : point.vectors) {
    const auto ordinal = TakeField(schema_.dense, schema_.FindDense(name), "vector", name, dense);
    if (!ordinal.ok()) return InvalidWrite(label, std::string(ordinal.status().message()));
    absl::Status status = CheckVector(schema_.dense[*ordinal], vector, label);
    if (!status.ok()) return status;
  }
  uint64_t sparse = 0;
  for (const auto& [name, vector] : point.sparse_vectors) {
    const auto ordinal =
        TakeField(schema_.sparse, schema_.FindSparse(name), "sparse", name, sparse);
    if (!ordinal.ok()) return InvalidWrite(label, std::string(ordinal.status().message()));
    const absl::Status status = CheckSparseVector(vector, Limits::kMaxSparseEntries);
    if (!status.ok()) {
      return InvalidWrite(label, absl::StrCat("field '", name, "': ", status.message()));
    }
  }
  uint64_t multi = 0;
  for (const auto& [name, vector] : point.multi_vectors) {
    const auto ordinal = TakeField(schema_.multi_vector, schema_.FindMultiVector(name),
                                   "multi-vector", name, multi);
    if (!ordinal.ok()) return InvalidWrite(label, std::string(ordinal.status().message()));
    const absl::Status status =
        CheckMultiVector(schema_.multi_vector[*ordinal], vector, Limits::kMaxTokens);
    if (!status.ok()) {
      return InvalidWrite(label, absl::StrCat("field '", name, "': ", status.message()));
    }
  }
  if (absl::Status status = CheckObject(point.payload, label, "the payload"); !status.ok()) {
    return status;
  }
  if (!point.provenance.empty()) {
    absl::Status status = CheckObject(point.provenance, label, "the provenance");
    if (!status.ok()) return status;
  }
  return CheckAccess(point.access, label);
}

absl::Status Writer::CheckChange(const PointChange& change, const std::string& label) const {
  if (change.empty()) return InvalidWrite(label, "it changes nothing");
  PointInput parts;
  parts.vectors = change.vectors;
  parts.sparse_vectors = change.sparse_vectors;
  parts.multi_vectors = change.multi_vectors;
  if (!change.payload_patch.empty()) parts.payload = change.payload_patch;
  if (change.access.has_value()) parts.access = *change.access;
  if (absl::Status status = CheckParts(parts, label); !status.ok()) return status;
  for (const std::string& key : change.remove_keys) {
    if (key.empty()) return InvalidWrite(label, "a key to remove is empty");
  }
  for (const std::string& name : change.remove_vectors) {
    if (schema_.FindDense(name) >= 0 || schema_.FindSparse(name) >= 0 ||
        schema_.FindMultiVector(name) >= 0) {
      continue;
    }
    return InvalidWrite(label, absl::StrCat("there is no vector field '", name, "' to remove from"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RowInput> Writer::ChangeRow(RowRecord record, const PointChange& change) const {
  PointInput point;
  point.id = std::move(record.id);
  point.vectors = change.vectors;
  point.sparse_vectors = change.sparse_vectors;
  point.multi_vectors = change.multi_vectors;
  point.payload = std::move(record.payload);
  for (const std::string& key : change.remove_keys) point.payload = RemoveKey(point.payload, key);
  if (!change.payload_patch.empty()) {
    point.payload = MergePatch(point.payload, change.payload_patch);
    const std::string label = absl::StrCat("point '", point.id.ToString(), "'");
    absl::Status status = CheckObject(point.payload, label, "the changed payload");
    if (!status.ok()) return status;
  }
  point.provenance = std::move(record.provenance);
  point.access = change.access.has_value() ? *change.access : std::move(record.access);
  RowInput row = MakeRow(std::move(point));
  const auto removed = [&](const std::string& name) {
    return std::find(change.remove_vectors.begin(), change.remove_vectors.end(), name) !=
           change.remove_vectors.end();
  };
  for (size_t field = 0; field < row.vectors.size(); ++field) {
    if (!row.vectors[field].empty() || removed(schema_.dense[field].name)) continue;
    if (field < record.vectors.size()) row.vectors[field] = std::move(record.vectors[field]);
  }
  for (size_t field = 0; field < row.sparse.size(); ++field) {
    const std::string& name = schema_.sparse[field].name;
    const bool given = std::any_of(change.sparse_vectors.begin(), change.sparse_vectors.end(),
                                   [&](const auto& entry) { return entry.first == name; });
    if (given || removed(name)) continue;
    if (field < record.sparse.size()) row.sparse[field] = std::move(record.sparse[field]);
  }
  for (size_t field = 0; field < row.multi_vectors.size(); ++field) {
    MultiVector& kept = row.multi_vectors[field];
    if (!kept.empty() || removed(schema_.multi_vector[field].name)) continue;
    if (field < record.multi_vectors.size()) kept = std::move(record.multi_vectors[field]);
  }
  return row;
}

absl::Status Writer::Check(const PointInput& point) const {
  const std::string label = absl::StrCat("point '", point.id.ToString(), "'");
  if (absl::Status status = CheckParts(point, label); !status.ok()) return status;
  const absl::StatusOr<TypedPayload> typed = ParseTypedPayload(schema_, point.payload);
  if (!typed.ok()) return InvalidWrite(label, std::string(typed.status().message()));
  return absl::OkStatus();
}

RowInput Writer::MakeRow(PointInput point) const {
  RowInput row;
  row.id = std::move(point.id);
  row.vectors.resize(schema_.dense.size());
  for (auto& [name, vector] : point.vectors) {
    const int ordinal = schema_.FindDense(name);
    const DenseField& field = schema_.dense[ordinal];
    if (field.metric == Metric::kCosine) NormalizeVector(vector);
    // CheckVector found nothing that the type does not have.
    if (field.type != VectorType::kF32) RoundVector(field.type, vector).IgnoreError();
    row.vectors[ordinal] = std::move(vector);
  }
  row.sparse.resize(schema_.sparse.size());
  for (auto& [name, vector] : point.sparse_vectors) {
    CanonicalizeSparseVector(vector);
    row.sparse[schema_.FindSparse(name)] = std::move(vector);
  }
  row.multi_vectors.resize(schema_.multi_vector.size());
  for (auto& [name, vector] : point.multi_vectors) {
    const int ordinal = schema_.FindMultiVector(name);
    const MultiVectorField& field = schema_.multi_vector[ordinal];
    NormalizeTokens(field.metric, vector);
    if (field.type != VectorType::kF32) RoundVector(field.type, vector.values).IgnoreError();
    row.multi_vectors[ordinal] = std::move(vector);
  }
  row.payload = std::move(point.payload);
  row.provenance = std::move(point.provenance);
  row.access = std::move(point.access);
  return row;
}

absl::StatusOr<CommitRequest> Writer::MakeCommit(CollectionId collection, int64_t time_us,
                                                 WriteRequest request) const {
  if (absl::Status status = CheckCommitLimits(request); !status.ok()) return status;
  if (absl::Status status = CheckDistinct(request); !status.ok()) return status;
  for (size_t i = 0; i < request.upserts.size(); ++i) {
    const PointInput& point = request.upserts[i];
    absl::Status status = CheckParts(point, Label(point.id, "upserts", i));
    if (!status.ok()) return status;
  }
  CommitRequest commit;
  commit.collection = collection;
  commit.actor = std::move(request.principal);
  commit.time_us = time_us;
  commit.request_id = std::move(request.request_id);
  commit.upserts.reserve(request.upserts.size());
  for (PointInput& point : request.upserts) commit.upserts.push_back(MakeRow(std::move(point)));
  commit.deletes = std::move(request.deletes);
  commit.documents = std::move(request.documents);
  commit.artifacts = std::move(request.artifacts);
  commit.expected_version = request.expected_version;
  return commit;
}

}  // namespace vouch
