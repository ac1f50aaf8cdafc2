#include "rag/eval/pipeline_subject.h"

#include <chrono>
#include <mutex>
#include <utility>

#include "rag/ask_steps.h"
#include "rag/eval/retrieval.h"
#include "rag/redaction.h"
#include "rag/rewrite.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using SteadyClock = std::chrono::steady_clock;

int64_t MicrosSince(SteadyClock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - begin).count();
}

class PipelineSubject final : public EvaluationSubject {
 public:
  PipelineSubject(Database& database, EmbedderRegistry& embedders,
                  const PipelineSubjectOptions& options, AskRequest ask, Redaction redaction,
                  std::shared_ptr<Collection> collection, Version version)
      : database_(database),
        embedders_(embedders),
        options_(options),
        ask_(std::move(ask)),
        redaction_(std::move(redaction)),
        collection_(std::move(collection)) {
    const PipelineSpec& spec = options.pipeline->spec;
    versions_.collection = spec.collection;
    versions_.version = version;
    versions_.mode = spec.retrieve.query.empty()
                         ? std::string(RetrievalModeName(spec.retrieve.mode))
                         : std::string("query");
    versions_.pipeline = Concat(spec.name, "@", options.pipeline->number);
    versions_.pipeline_hash = options.pipeline->hash;
  }

  absl::StatusOr<SubjectResult> Run(const DatasetQuestion& question,
                                    const CancelToken& cancel) override {
    AskRequest ask = ask_;
    ask.question = question.text;
    ask.cancel = cancel;
    SubjectResult result;
    const SteadyClock::time_point begin = SteadyClock::now();
    if (!options_.answers) {
      Answer scratch;
      scratch.question = question.text;
      scratch.version = versions_.version;
      if (absl::Status status = RewriteQuestion(ask, &scratch); !status.ok()) return status;
      if (absl::Status status = Rank(question, ask, scratch, &result); !status.ok()) return status;
      result.latency_us = MicrosSince(begin);
      return result;
    }
    absl::StatusOr<Answer> answer = Ask(database_, embedders_, ask);
    if (!answer.ok()) return answer.status();
    result.latency_us = MicrosSince(begin);
    // What the answer's rewrites looked for, so that no model is asked twice.
    if (absl::Status status = Rank(question, ask, *answer, &result); !status.ok()) return status;
    {
      const std::lock_guard<std::mutex> lock(mu_);
      versions_.generator = answer->generator;
    }
    // Ask gives the caller the answer whole; what is kept of it beside its record is covered as that is.
    if (std::string kept = answer->text; redaction_.Cover(&kept) > 0) result.kept_text = std::move(kept);
    result.answer = *std::move(answer);
    return result;
  }

  SubjectVersions versions() const override {
    const std::lock_guard<std::mutex> lock(mu_);
    return versions_;
  }
  Collection& collection() override { return *collection_; }

 private:
  absl::Status Rank(const DatasetQuestion& question, const AskRequest& ask, const Answer& answer,
                    SubjectResult* result) {
    absl::StatusOr<TextQuery> query = BuildAskQuery(*collection_, embedders_, ask, answer);
    if (!query.ok()) return query.status();
    if (ask.filter && query->root.filter) {
      Filter both{.op = FilterOp::kAnd};
      both.children = {*std::move(query->root.filter), *ask.filter};
      query->root.filter = std::move(both);
    } else if (ask.filter) {
      query->root.filter = ask.filter;
    }
    absl::StatusOr<std::vector<RetrievedChunk>> chunks =
        SearchChunks(*collection_, query->root,
                     {.depth = options_.depth,
                      .at = answer.version,
                      .principal = ask.principal,
                      .cancel = ask.cancel},
                     /*with_sources=*/!question.passages.empty(), names_);
    if (!chunks.ok()) return chunks.status();
    result->chunks = *std::move(chunks);
    const std::lock_guard<std::mutex> lock(mu_);
    versions_.embedder = query->embedder;
    versions_.fusion = query->fusion;
    return absl::OkStatus();
  }

  Database& database_;
  EmbedderRegistry& embedders_;
  const PipelineSubjectOptions options_;
  const AskRequest ask_;  // without a question
  const Redaction redaction_;
  const std::shared_ptr<Collection> collection_;
  ChunkNames names_;
  mutable std::mutex mu_;
  SubjectVersions versions_;  // embedder, fusion and generator guarded by mu_
};

}  // namespace

absl::StatusOr<std::unique_ptr<EvaluationSubject>> NewPipelineSubject(
    Database& database, EmbedderRegistry& embedders, const PipelineSubjectOptions& options) {
  if (options.depth == 0 || options.depth > QueryLimits::kMaxLimit) {
    return absl::InvalidArgumentError(
        Concat("depth is ", options.depth, "; it takes 1 to ", QueryLimits::kMaxLimit));
  }
  AskRequest ask;
  ask.principal = options.principal;
  ask.tree = options.tree;
  ask.evaluation = true;
  if (absl::Status status = UsePipeline(options.pipeline, options.route, &ask); !status.ok())
    return status;
  absl::StatusOr<Redaction> redaction = Redaction::Create(options.pipeline->spec.record);
  if (!redaction.ok()) return redaction.status();
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(options.principal, ask.collection);
  if (!collection.ok()) return collection.status();
  const absl::StatusOr<Version> version = (*collection)->Resolve(options.at);
  if (!version.ok()) return version.status();
  ask.at = {*version};
  return std::make_unique<PipelineSubject>(database, embedders, options, std::move(ask), *std::move(redaction),
                                           *std::move(collection), *version);
}

}  // namespace vouch
