#include "storage/schema.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "storage/concat.h"
#include "storage/duration_text.h"
#include "storage/name.h"
#include "storage/utf8.h"

namespace vouch {

namespace {

// What libstemmer 2.2 stems; storage knows the names and not the library.
constexpr std::array<std::string_view, 30> kLanguages = {
    "none",      "arabic",     "armenian",   "basque",    "catalan",    "danish",
    "dutch",     "english",    "finnish",    "french",    "german",     "greek",
    "hindi",     "hungarian",  "indonesian", "irish",     "italian",    "lithuanian",
    "nepali",    "norwegian",  "porter",     "portuguese", "romanian",  "russian",
    "serbian",   "spanish",    "swedish",    "tamil",     "turkish",   "yiddish"};

absl::Status Bad(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat("field \"", Escape(field), "\": ", what));
}

absl::Status CheckRange(std::string_view field, std::string_view what, double value, double lo,
                        double hi) {
  if (value >= lo && value <= hi) return absl::OkStatus();  // false for NaN
  return Bad(field, Concat(what, " is ", value, "; it must be from ", lo, " to ", hi));
}

// A dotted path into the payload, "meta.title".
absl::Status CheckPath(std::string_view field, std::string_view path) {
  if (path.empty()) return Bad(field, "a payload path is empty");
  if (path.size() > Limits::kMaxNameBytes) {
    return Bad(field, Concat("a payload path has ", path.size(), " bytes; the limit is ",
                                   Limits::kMaxNameBytes));
  }
  if (!IsValidUtf8(path)) return Bad(field, "a payload path is not UTF-8");
  if (path.front() == '.' || path.back() == '.' || path.find("..") != std::string_view::npos) {
    return Bad(field, Concat("the payload path \"", path, "\" has an empty part"));
  }
  return absl::OkStatus();
}

absl::Status CheckDense(const DenseField& field) {
  if (field.dim < 1 || field.dim > Limits::kMaxDim) {
    return Bad(field.name, Concat("dim is ", field.dim, "; it must be from 1 to ",
                                        Limits::kMaxDim));
  }
  if ((field.type == VectorType::kBit) != (field.metric == Metric::kHamming)) {
    return Bad(field.name, Concat("type ", VectorTypeName(field.type), " with metric ",
                                  MetricName(field.metric),
                                  "; bit vectors are compared by hamming, and no others are"));
  }
  if (!field.embedder.empty() &&
      (field.type == VectorType::kI8 || field.type == VectorType::kBit)) {
    return Bad(field.name, Concat("type ", VectorTypeName(field.type),
                                  " with an embedder, which gives fractions; it takes f32 or f16"));
  }
  if (field.type == VectorType::kI8 && field.metric == Metric::kCosine) {
    return Bad(field.name,
               "type i8 with metric cosine, which would normalise integers to fractions; i8 takes "
               "ip or l2");
  }
  const HnswOptions& hnsw = field.hnsw;
  if (auto s = CheckRange(field.name, "hnsw.m", hnsw.m, 2, 128); !s.ok()) return s;
  if (auto s = CheckRange(field.name, "hnsw.ef_construction", hnsw.ef_construction, 8, 2000);
      !s.ok()) {
    return s;
  }
  if (auto s = CheckRange(field.name, "hnsw.ef_search", hnsw.ef_search, 1, 10000); !s.ok()) return s;
  if (field.recall_target != 0) {
    if (auto s = CheckRange(field.name, "recall_target", field.recall_target, 0.5, 0.9999); !s.ok()) {
      return s;
    }
  }
  if (field.embedder.size() > 4 * Limits::kMaxNameBytes || !IsValidUtf8(field.embedder)) {
    return Bad(field.name, Concat("embedder must be UTF-8 of at most ",
                                        4 * Limits::kMaxNameBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckMultiVector(const MultiVectorField& field) {
  if (field.dim < 1 || field.dim > Limits::kMaxTokenDim) {
    return Bad(field.name, Concat("dim is ", field.dim, "; it must be from 1 to ", Limits::kMaxTokenDim));
  }
  if (field.metric != Metric::kCosine && field.metric != Metric::kInnerProduct) {
    return Bad(field.name, Concat("metric ", MetricName(field.metric),
                                  "; token vectors are compared by cosine or ip"));
  }
  if (field.type == VectorType::kBit) {
    return Bad(field.name, "type bit; token vectors are f32, f16 or i8");
  }
  if (field.type == VectorType::kI8 && field.metric == Metric::kCosine) {
    return Bad(field.name,
               "type i8 with metric cosine, which would normalise integers to fractions; i8 takes ip");
  }
  return absl::OkStatus();
}

absl::Status CheckLanguage(std::string_view field, const std::string& language) {
  if (std::find(kLanguages.begin(), kLanguages.end(), language) != kLanguages.end()) return absl::OkStatus();
  return Bad(field, Concat("language \"", Escape(language),
                           "\" is not known; a Snowball stemmer's name such as \"english\", or \"none\""));
}

absl::Status CheckPayload(const PayloadField& field) {
  if (auto s = CheckPath(field.path, field.path); !s.ok()) return s;
  if (field.type == PayloadType::kText) return CheckLanguage(field.path, field.language);
  if (field.language == PayloadField().language) return absl::OkStatus();
  return Bad(field.path, Concat("language \"", Escape(field.language), "\" goes with the type text, not ",
                                PayloadTypeName(field.type)));
}

absl::Status CheckText(const TextField& field) {
  if (field.paths.empty()) return Bad(field.name, "paths is empty; it needs one payload path at least");
  if (field.paths.size() > Limits::kMaxFields) {
    return Bad(field.name, Concat("paths has ", field.paths.size(), " entries; the limit is ",
                                        Limits::kMaxFields));
  }
  for (const std::string& path : field.paths) {
    if (auto s = CheckPath(field.name, path); !s.ok()) return s;
  }
  if (auto s = CheckLanguage(field.name, field.language); !s.ok()) return s;
  if (auto s = CheckRange(field.name, "k1", field.k1, 0, 10); !s.ok()) return s;
  return CheckRange(field.name, "b", field.b, 0, 1);
}

template <typename Field>
absl::Status CheckCount(std::string_view kind, const std::vector<Field>& fields) {
  if (fields.size() <= Limits::kMaxFields) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("the schema has ", fields.size(), " ", kind,
                                                 " fields; the limit is ", Limits::kMaxFields));
}

template <typename Field>
int FindByName(const std::vector<Field>& fields, std::string_view name) {
  if (name.empty()) return -1;  // as dropped fields have it
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

absl::Status CheckDropped(std::string_view name, bool plain) {
  if (name.empty() && plain) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the place of a dropped field has no name, no embedder and the index flat");
}

absl::Status CheckSpan(std::string_view what, int64_t us) {
  if (us >= 0 && us <= kMaxDurationUs) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat(what, " is ", us, " us; it takes 0 to ", kMaxDurationUs, ", which is ", FormatDurationText(kMaxDurationUs)));
}

absl::Status CheckPolicies(const CollectionSchema& schema) {
  if (auto s = CheckSpan("retention.history", schema.retention.history_us); !s.ok()) return s;
  if (auto s = CheckSpan("retention.records", schema.retention.records_us); !s.ok()) return s;
  if (auto s = CheckSpan("ttl.after", schema.ttl.after_us); !s.ok()) return s;
  const std::string& field = schema.ttl.field;
  if (field.empty()) return absl::OkStatus();
  const int at = schema.FindPayload(field);
  if (at >= 0 && schema.payload[static_cast<size_t>(at)].type == PayloadType::kDatetime) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("ttl.field is \"", Escape(field), "\", which is ",
                                           at < 0 ? "no payload field of the schema" : "no datetime",
                                           "; declare it as a payload field of the type datetime"));
}

}  // namespace

absl::Status CollectionSchema::Validate() const {
  if (auto s = CheckCount("dense", dense); !s.ok()) return s;
  if (auto s = CheckCount("text", text); !s.ok()) return s;
  if (auto s = CheckCount("sparse", sparse); !s.ok()) return s;
  if (auto s = CheckCount("multi-vector", multi_vector); !s.ok()) return s;
  if (auto s = CheckCount("payload", payload); !s.ok()) return s;
  // All these but payload fields are named in one query, so they share one space of names.
  absl::flat_hash_set<std::string_view> names;
  for (const DenseField& field : dense) {
    if (field.dropped) {
      if (auto s = CheckDropped(field.name, field.embedder.empty() && field.index == DenseIndexKind::kFlat); !s.ok()) return s;
      if (auto s = CheckDense(field); !s.ok()) return s;
      continue;
    }
    if (auto s = CheckName("field", field.name); !s.ok()) return s;
    if (!names.insert(field.name).second) return Bad(field.name, "declared twice");
    if (auto s = CheckDense(field); !s.ok()) return s;
  }
  for (const TextField& field : text) {
    if (auto s = CheckName("field", field.name); !s.ok()) return s;
    if (!names.insert(field.name).second) return Bad(field.name, "declared twice");
    if (auto s = CheckText(field); !s.ok()) return s;
  }
  for (const SparseField& field : sparse) {
    if (field.dropped) {
      if (auto s = CheckDropped(field.name, true); !s.ok()) return s;
      continue;
    }
    if (auto s = CheckName("field", field.name); !s.ok()) return s;
    if (!names.insert(field.name).second) return Bad(field.name, "declared twice");
  }
  for (const MultiVectorField& field : multi_vector) {
    if (field.dropped) {
      if (auto s = CheckDropped(field.name, true); !s.ok()) return s;
      if (auto s = CheckMultiVector(field); !s.ok()) return s;
      continue;
    }
    if (auto s = CheckName("field", field.name); !s.ok()) return s;
    if (!names.insert(field.name).second) return Bad(field.name, "declared twice");
    if (auto s = CheckMultiVector(field); !s.ok()) return s;
  }
  absl::flat_hash_set<std::string_view> paths;
  for (const PayloadField& field : payload) {
    if (auto s = CheckPayload(field); !s.ok()) return s;
    if (!paths.insert(field.path).second) return Bad(field.path, "declared twice");
  }
  return CheckPolicies(*this);
}

int CollectionSchema::FindDense(std::string_view name) const { return FindByName(dense, name); }
int CollectionSchema::FindText(std::string_view name) const { return FindByName(text, name); }
int CollectionSchema::FindSparse(std::string_view name) const { return FindByName(sparse, name); }
int CollectionSchema::FindMultiVector(std::string_view name) const {
  return FindByName(multi_vector, name);
}
int CollectionSchema::FindPayload(std::string_view path) const {
  for (size_t i = 0; i < payload.size(); ++i) {
    if (payload[i].path == path) return static_cast<int>(i);
  }
  return -1;
}

std::string_view MetricName(Metric metric) {
  switch (metric) {
    case Metric::kCosine: return "cosine";
    case Metric::kInnerProduct: return "ip";
    case Metric::kL2: return "l2";
    case Metric::kHamming: return "hamming";
  }
  return "unknown";
}

std::string_view VectorTypeName(VectorType type) {
  switch (type) {
    case VectorType::kF32: return "f32";
    case VectorType::kF16: return "f16";
    case VectorType::kI8: return "i8";
    case VectorType::kBit: return "bit";
  }
  return "unknown";
}

std::string_view DenseIndexKindName(DenseIndexKind kind) {
  switch (kind) {
    case DenseIndexKind::kFlat: return "flat";
    case DenseIndexKind::kHnsw: return "hnsw";
    case DenseIndexKind::kIvfFlat: return "ivf_flat";
    case DenseIndexKind::kIvfPq: return "ivf_pq";
    case DenseIndexKind::kAuto: return "auto";
  }
  return "unknown";
}

std::string_view PayloadTypeName(PayloadType type) {
  switch (type) {
    case PayloadType::kKeyword: return "keyword";
    case PayloadType::kInteger: return "integer";
    case PayloadType::kFloat: return "float";
    case PayloadType::kBool: return "bool";
    case PayloadType::kDatetime: return "datetime";
    case PayloadType::kGeo: return "geo";
    case PayloadType::kText: return "text";
  }
  return "unknown";
}

}  // namespace vouch
