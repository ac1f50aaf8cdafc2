#include "rag/eval/collection_subject.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "rag/retriever.h"
#include "storage/concat.h"

namespace vouch {
namespace {

class CollectionSubject final : public EvaluationSubject {
 public:
  CollectionSubject(Database& database, EmbedderRegistry& embedders,
                    const CollectionSubjectOptions& options, std::shared_ptr<Collection> collection,
                    Version version)
      : database_(database),
        embedders_(embedders),
        options_(options),
        collection_(std::move(collection)) {
    versions_.collection = options.collection;
    versions_.version = version;
    versions_.mode = std::string(RetrievalModeName(options.mode));
  }

  absl::StatusOr<SubjectResult> Run(const DatasetQuestion& question,
                                    const CancelToken& cancel) override {
    SubjectResult result;
    const auto begin = std::chrono::steady_clock::now();
    if (absl::Status status = Retrieve(question, cancel, &result); !status.ok()) return status;
    result.latency_us = MicrosSince(begin);
    if (options_.answers == AnswerKind::kNone) return result;
    const auto asked = std::chrono::steady_clock::now();
    absl::StatusOr<Answer> answer = Ask(database_, embedders_, AskOf(question, cancel));
    if (!answer.ok()) return answer.status();
    result.latency_us = MicrosSince(asked);  // an answer retrieves for itself
    {
      const std::lock_guard<std::mutex> lock(mu_);
      versions_.generator = answer->generator;
    }
    result.answer = *std::move(answer);
    return result;
  }

  SubjectVersions versions() const override {
    const std::lock_guard<std::mutex> lock(mu_);
    return versions_;
  }
  Collection& collection() override { return *collection_; }

 private:
  static int64_t MicrosSince(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 begin)
        .count();
  }

  Version version() const { return versions_.version; }  // constant after construction

  absl::Status Retrieve(const DatasetQuestion& question, const CancelToken& cancel,
                        SubjectResult* result) {
    absl::StatusOr<TextQuery> query = BuildTextQuery(*collection_, embedders_, question.text,
                                                     options_.mode, version(), cancel);
    if (!query.ok()) return query.status();
    absl::StatusOr<std::vector<RetrievedChunk>> chunks =
        SearchChunks(*collection_, query->root,
                     {.depth = options_.depth,
                      .at = version(),
                      .principal = options_.principal,
                      .cancel = cancel},
                     /*with_sources=*/!question.passages.empty(), names_);
    if (!chunks.ok()) return chunks.status();
    result->chunks = *std::move(chunks);
    const std::lock_guard<std::mutex> lock(mu_);
    versions_.embedder = query->embedder;
    versions_.fusion = query->fusion;
    return absl::OkStatus();
  }

  AskRequest AskOf(const DatasetQuestion& question, const CancelToken& cancel) const {
    AskRequest ask;
    ask.collection = options_.collection;
    ask.question = question.text;
    ask.mode = options_.mode;
    ask.context_chunks = options_.context_chunks;
    ask.route = options_.answers == AnswerKind::kModels ? options_.route : nullptr;
    ask.at = {version()};
    ask.evaluation = true;
    ask.principal = options_.principal;
    ask.cancel = cancel;
    return ask;
  }

  Database& database_;
  EmbedderRegistry& embedders_;
  const CollectionSubjectOptions options_;
  const std::shared_ptr<Collection> collection_;
  ChunkNames names_;
  mutable std::mutex mu_;
  SubjectVersions versions_;  // embedder, fusion and generator guarded by mu_
};

}  // namespace

std::string_view AnswerKindName(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::kNone:
      return "none";
    case AnswerKind::kQuotes:
      return "quotes";
    case AnswerKind::kModels:
      return "models";
  }
  return "";
}

absl::StatusOr<AnswerKind> ParseAnswerKind(std::string_view text) {
  for (AnswerKind kind : {AnswerKind::kNone, AnswerKind::kQuotes, AnswerKind::kModels}) {
    if (text == AnswerKindName(kind)) return kind;
  }
  return absl::InvalidArgumentError(
      Concat("answers \"", Escape(text), "\" is none of none, quotes, models"));
}

absl::StatusOr<std::unique_ptr<EvaluationSubject>> NewCollectionSubject(
    Database& database, EmbedderRegistry& embedders, const CollectionSubjectOptions& options) {
  if (options.depth == 0 || options.depth > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(
        Concat("depth is ", options.depth, "; it takes 1 to ", QueryLimits::kMaxLimit));
  }
  if (options.answers == AnswerKind::kModels && options.route == nullptr) {
    return absl::FailedPreconditionError(
        "no models are set up to answer: give a route, or evaluate quotes");
  }
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(options.principal, options.collection);
  if (!collection.ok()) return collection.status();
  const absl::StatusOr<Version> version = (*collection)->Resolve(options.at);
  if (!version.ok()) return version.status();
  return std::make_unique<CollectionSubject>(database, embedders, options, *std::move(collection),
                                             *version);
}

}  // namespace vouch
