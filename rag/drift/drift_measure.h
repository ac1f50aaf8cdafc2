#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/cancel.h"
#include "query/database.h"
#include "rag/drift/drift_look.h"
#include "rag/drift/drift_reference.h"
#include "rag/drift/drift_sample.h"
#include "rag/drift/drift_spec.h"
#include "rag/embed/embedder_registry.h"
#include "storage/principal.h"

namespace vouch {

// From where on a look takes what it compares with the reference.
struct DriftSince {
  int64_t answers_us = 0;
  uint64_t row = 0;
};

// A monitor's collection at one version, as references and looks see it. Reads only, and asks the
// embedder. Not thread safe.
class DriftMeasure {
 public:
  // NOT_FOUND: no such collection or pipeline. FAILED_PRECONDITION: it has no dense field to watch.
  static absl::StatusOr<DriftMeasure> Open(Database& database, EmbedderRegistry& embedders,
                                           const DriftSpec& spec, const std::string& tenant,
                                           const CancelToken& cancel);

  // All but its number and time.
  absl::StatusOr<DriftReference> MakeReference() const;
  // Questions since a time, at most a window's.
  absl::StatusOr<std::vector<AskedQuestion>> QuestionsSince(int64_t after_us) const;
  absl::StatusOr<KindLook> Look(DriftKind kind, const DriftReference& reference,
                                const DriftSince& since) const;

  const std::string& collection() const { return collection_->info().name; }
  const std::string& field() const { return spec_.field; }
  Version version() const { return version_; }
  uint64_t rows_end() const { return rows_end_; }

 private:
  DriftMeasure(EmbedderRegistry& embedders, DriftSpec spec, std::string tenant, CancelToken cancel)
      : embedders_(&embedders),
        spec_(std::move(spec)),
        principal_{.tenant = std::move(tenant), .subject = "drift", .groups = {}},
        cancel_(std::move(cancel)) {}

  absl::Status FindField();
  // The id of the field's embedder; empty: it has none.
  absl::StatusOr<std::string> EmbedderId() const;
  absl::StatusOr<DriftPoints> EmbedQuestions(const std::vector<AskedQuestion>& questions) const;
  absl::StatusOr<std::vector<float>> EmbedSentinels(const std::vector<std::string>& texts) const;

  absl::Status LookAtQueries(const DriftReference& reference, const DriftSince& since,
                             KindLook* look) const;
  absl::Status LookAtCorpus(const DriftReference& reference, const DriftSince& since,
                            KindLook* look) const;
  absl::Status LookAtEmbedder(const DriftReference& reference, KindLook* look) const;
  absl::Status LookAtIndex(const DriftReference& reference, KindLook* look) const;

  EmbedderRegistry* embedders_;
  DriftSpec spec_;
  Principal principal_;
  CancelToken cancel_;
  std::shared_ptr<Collection> collection_;
  size_t field_ = 0;
  Version version_ = {};
  uint64_t rows_end_ = 0;
};

}  // namespace vouch
