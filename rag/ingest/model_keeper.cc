#include "rag/ingest/model_keeper.h"

#include <optional>
#include <utility>
#include <vector>

#include "rag/embed/embedder_history.h"
#include "rag/embed/lsa.h"
#include "rag/embed/lsa_model.h"
#include "storage/store.h"

namespace vouch {
namespace {

absl::StatusOr<std::vector<EmbedderHistoryEntry>> ReadHistory(Collection& collection, const std::string& field) {
  absl::StatusOr<std::optional<std::string>> stored =
      collection.store().GetDocument(collection.id(), EmbedderHistoryKey(field));
  if (!stored.ok()) return stored.status();
  if (!*stored) return std::vector<EmbedderHistoryEntry>();
  return DecodeEmbedderHistory(**stored);
}

}  // namespace

absl::StatusOr<ModelKeeper> ModelKeeper::Create(Collection& collection, EmbedderRegistry& embedders,
                                                int dense_field) {
  ModelKeeper keeper(collection, embedders, dense_field);
  if (dense_field < 0) return keeper;
  const DenseField& field = collection.schema().dense[dense_field];
  absl::StatusOr<EmbedderRegistry::SpecInfo> spec = EmbedderRegistry::ParseSpec(field.embedder);
  if (!spec.ok()) return spec.status();
  keeper.field_name_ = field.name;
  keeper.trained_ = spec->trained;
  keeper.dim_ = spec->dim;
  keeper.language_ = spec->language;
  keeper.entry_name_ = field.embedder;
  if (spec->trained) return keeper;
  absl::StatusOr<std::shared_ptr<const Embedder>> embedder = embedders.Create(field.embedder);
  if (!embedder.ok()) return embedder.status();
  keeper.fixed_ = *std::move(embedder);
  keeper.entry_name_ = keeper.fixed_->id();
  return keeper;
}

absl::StatusOr<bool> ModelKeeper::NeedsTraining(Version at) {
  if (!trained_ || trained_once_) return false;
  auto history = ReadHistory(*collection_, field_name_);
  if (!history.ok()) return history.status();
  return FindEmbedderAt(*history, at) == nullptr;
}

absl::Status ModelKeeper::Train(std::span<const std::string> texts, const CancelToken& cancel,
                                const std::function<void(double)>& progress) {
  trained_once_ = true;
  fresh_ = nullptr;
  auto model = TrainLsa({.dim = dim_, .language = language_}, texts, cancel, progress);
  if (absl::IsInvalidArgument(model.status())) return absl::OkStatus();
  if (!model.ok()) return model.status();
  fresh_ = *std::move(model);
  return absl::OkStatus();
}

absl::StatusOr<ModelKeeper::Choice> ModelKeeper::Choose(Version at) {
  if (!trained_) return Choice{.embedder = fixed_, .uncommitted = false};
  auto history = ReadHistory(*collection_, field_name_);
  if (!history.ok()) return history.status();
  if (FindEmbedderAt(*history, at) == nullptr) return Choice{.embedder = fresh_, .uncommitted = fresh_ != nullptr};
  auto embedder = embedders_->Resolve(*collection_, dense_field_, at);
  if (!embedder.ok()) return embedder.status();
  return Choice{.embedder = *std::move(embedder), .uncommitted = false};
}

absl::Status ModelKeeper::AddModel(Version at, WriteRequest* write) {
  auto history = ReadHistory(*collection_, field_name_);
  if (!history.ok()) return history.status();
  std::string bytes = SerializeLsa(*fresh_);
  Artifact artifact{.hash = ContentHash(bytes), .bytes = std::move(bytes)};
  history->push_back({.from_version = Version(at.value + 1), .id = fresh_->id(), .artifact = artifact.hash});
  write->artifacts.push_back(std::move(artifact));
  write->documents.push_back({.key = EmbedderHistoryKey(field_name_), .value = EncodeEmbedderHistory(*history)});
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ModelKeeper::TrainingTexts(Version at) {
  auto history = ReadHistory(*collection_, field_name_);
  if (!history.ok()) return history.status();
  const EmbedderHistoryEntry* entry = FindEmbedderAt(*history, at);
  if (entry == nullptr) return 0;
  absl::StatusOr<std::string> bytes = collection_->store().GetArtifact(collection_->id(), entry->artifact);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<LsaModel> model = LsaModel::Parse(*bytes);
  if (!model.ok()) return model.status();
  return model->training_texts;
}

}  // namespace vouch
