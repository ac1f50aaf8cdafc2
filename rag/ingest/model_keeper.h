#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder_registry.h"

namespace vouch {

// The embedder of a collection's field over a run: the one that its rows at a version are embedded by, or, where there is
// none yet, one that was trained in this run and is not committed.
//
// Not thread safe.
class ModelKeeper {
 public:
  // `dense_field` -1: the collection embeds nothing.
  static absl::StatusOr<ModelKeeper> Create(Collection& collection, EmbedderRegistry& embedders, int dense_field);

  bool embeds() const { return dense_field_ >= 0; }
  bool trained() const { return trained_; }
  // What DocumentEntry::embedder holds.
  const std::string& entry_name() const { return entry_name_; }
  const std::string& field_name() const { return field_name_; }

  // Whether a model must be trained before anything can be embedded at this version.
  absl::StatusOr<bool> NeedsTraining(Version at);
  // Trains a model; it is used, and written by AddModel, where a version has none. That no text has a known term is no
  // error: rows stay without vectors then.
  absl::Status Train(std::span<const std::string> texts, const CancelToken& cancel,
                     const std::function<void(double)>& progress);

  // What Train made; null where it found no term, or was not called.
  const std::shared_ptr<const Embedder>& fresh() const { return fresh_; }

  struct Choice {
    std::shared_ptr<const Embedder> embedder;  // null: nothing is embedded
    bool uncommitted = false;                  // it is the one trained in this run
  };
  absl::StatusOr<Choice> Choose(Version at);
  // Adds the trained model and its place in the field's history to the write that makes version at + 1.
  absl::Status AddModel(Version at, WriteRequest* write);

  // How many texts the model that holds at a version was trained on; 0 without one.
  absl::StatusOr<uint64_t> TrainingTexts(Version at);

 private:
  ModelKeeper(Collection& collection, EmbedderRegistry& embedders, int dense_field)
      : collection_(&collection), embedders_(&embedders), dense_field_(dense_field) {}

  Collection* collection_;
  EmbedderRegistry* embedders_;
  int dense_field_;
  bool trained_ = false;
  std::string entry_name_;
  std::string field_name_;
  std::string language_;
  uint32_t dim_ = 0;
  std::shared_ptr<const Embedder> fixed_;  // of a spec that is not trained
  std::shared_ptr<const Embedder> fresh_;  // trained in this run
  bool trained_once_ = false;
};

}  // namespace vouch
