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

struct DriftMeasureOptions {
  std::string tenant = {};
  uint64_t max_scanned_answers = kMaxScannedAnswers;
  CancelToken cancel = {};
};

// From where on a look takes what it compares with the reference.
struct DriftSince {
  std::string answer = {};        // answers kept after it; empty: after the reference's
  std::string index_answer = {};  // likewise, for the questions that the index is asked
  uint64_t row = 0;
  // Looks at a whole window, or at one that nothing will make whole, and at no other.
  bool whole = false;
};

// What came of a look at one kind.
struct DriftLooked {
  KindLook look = {};
  bool waits = false;        // there is no whole window yet, and so no look
  bool used = false;         // the window counts as looked at: the next one begins after it
  std::string newest = {};   // the latest answer that it knew of
};

// A monitor's collection at one version, as references and looks see it. Reads only, and asks the
// embedder. Not thread safe.
class DriftMeasure {
 public:
  // NOT_FOUND: no such collection or pipeline. FAILED_PRECONDITION: it has no dense field to watch.
  static absl::StatusOr<DriftMeasure> Open(Database& database, EmbedderRegistry& embedders,
                                           const DriftSpec& spec, DriftMeasureOptions options);

  // All but its number and time.
  absl::StatusOr<DriftReference> MakeReference() const;
  absl::StatusOr<DriftLooked> Look(DriftKind kind, const DriftReference& reference,
                                   const DriftSince& since) const;

  const std::string& collection() const { return collection_->info().name; }
  const std::string& field() const { return spec_.field; }
  Version version() const { return version_; }
  uint64_t rows_end() const { return rows_end_; }
  Collection& opened() const { return *collection_; }

 private:
  DriftMeasure(EmbedderRegistry& embedders, DriftSpec spec, DriftMeasureOptions options)
      : embedders_(&embedders),
        spec_(std::move(spec)),
        principal_{.tenant = std::move(options.tenant), .subject = "drift", .groups = {}},
        max_scanned_answers_(options.max_scanned_answers),
        cancel_(std::move(options.cancel)) {}

  absl::Status FindField();
  // The id of the field's embedder; empty: it has none.
  absl::StatusOr<std::string> EmbedderId() const;
  absl::StatusOr<AskedQuestions> QuestionsAfter(const std::string& answer, size_t limit) const;
  absl::StatusOr<DriftPoints> EmbedQuestions(const std::vector<AskedQuestion>& questions) const;
  absl::StatusOr<std::vector<float>> EmbedSentinels(const std::vector<std::string>& texts) const;

  std::string LookedThrough() const;
  absl::Status AddQuestions(DriftReference* reference) const;
  absl::Status AddRows(DriftReference* reference) const;
  absl::Status AddSentinels(DriftReference* reference) const;

  absl::Status LookAtQueries(const DriftReference& reference, const DriftSince& since,
                             DriftLooked* looked) const;
  absl::Status LookAtCorpus(const DriftReference& reference, const DriftSince& since,
                            DriftLooked* looked) const;
  absl::Status LookAtEmbedder(const DriftReference& reference, KindLook* look) const;
  absl::Status LookAtIndex(const DriftReference& reference, const DriftSince& since,
                           DriftLooked* looked) const;
  // The recall that the index must have, and whose word that is; 0: there is none.
  double TargetRecall(const DriftReference& reference, std::string* whose) const;

  EmbedderRegistry* embedders_;
  DriftSpec spec_;
  Principal principal_;
  uint64_t max_scanned_answers_;
  CancelToken cancel_;
  std::shared_ptr<Collection> collection_;
  size_t field_ = 0;
  Version version_ = {};
  uint64_t rows_end_ = 0;
};

}  // namespace vouch
