#include "rag/answer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "query/filter_parser.h"
#include "query/hold_version.h"
#include "rag/answer_cache.h"
#include "rag/answer_cost.h"
#include "rag/answer_id.h"
#include "rag/answer_texts.h"
#include "rag/ask_steps.h"
#include "rag/ask_trace.h"
#include "rag/assemble.h"
#include "rag/extractive.h"
#include "rag/interleave.h"
#include "rag/llm/spend_book.h"
#include "rag/model_answer.h"
#include "rag/passage.h"
#include "rag/pipeline.h"
#include "rag/redaction.h"
#include "rag/rewrite.h"
#include "storage/answer_records.h"
#include "storage/clock.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr uint32_t kMaxContextChunks = 100;
constexpr uint32_t kMaxSentences = 20;
constexpr std::string_view kNothingFound =
    "Nothing that was found in the collection speaks of this question.";

}  // namespace

absl::Status CheckAsk(const AskRequest& request) {
  if (request.question.empty()) return absl::InvalidArgumentError("the question is empty");
  if (request.question.size() > QueryLimits::kMaxQueryTextBytes) {
    return absl::InvalidArgumentError(Concat("the question has ", request.question.size(),
                                             " bytes; the limit is ",
                                             QueryLimits::kMaxQueryTextBytes));
  }
  if (!IsValidUtf8(request.question))
    return absl::InvalidArgumentError("the question is not UTF-8");
  if (request.context_chunks == 0 || request.context_chunks > kMaxContextChunks) {
    return absl::InvalidArgumentError(Concat("context_chunks is ", request.context_chunks,
                                             "; it takes 1 to ", kMaxContextChunks));
  }
  if (request.max_sentences == 0 || request.max_sentences > kMaxSentences) {
    return absl::InvalidArgumentError(
        Concat("max_sentences is ", request.max_sentences, "; it takes 1 to ", kMaxSentences));
  }
  if (!(request.min_grounding >= 0 && request.min_grounding <= 1)) {
    return absl::InvalidArgumentError(
        Concat("min_grounding is ", request.min_grounding, "; it takes 0 to 1"));
  }
  return absl::OkStatus();
}

namespace {

// The collection's weights of the question's terms, as the text leaf used them.
std::map<std::string, double> TermWeights(const std::vector<PointHit>& hits) {
  std::map<std::string, double> weights;
  for (const PointHit& hit : hits) {
    for (const NodeScore& node : hit.explanation) {
      for (const TermContribution& term : node.terms) weights[term.term] = term.idf;
    }
  }
  return weights;
}

// Writes text, citations and sources into the answer.
class Composer {
 public:
  Composer(const std::vector<Passage>& passages, Collection& collection, Answer* answer)
      : passages_(passages), sources_(collection), answer_(*answer), numbers_(passages.size(), 0) {}

  void Add(const ExtractedSentence& sentence) {
    const uint32_t number = NumberOf(sentence.chunk);
    Citation citation = CitationOf(passages_[sentence.chunk], sentence.text, number, &sources_);
    if (!answer_.text.empty()) answer_.text += ' ';
    citation.answer.begin = answer_.text.size();
    answer_.text += citation.quote;
    citation.answer.end = answer_.text.size();
    answer_.text += Concat(" [", number, "]");
    answer_.citations.push_back(std::move(citation));
  }

  // After the last sentence: what was retrieved and not cited follows in rank order.
  void AddOtherSources() {
    for (size_t i = 0; i < passages_.size(); ++i) NumberOf(i);
  }

 private:
  uint32_t NumberOf(size_t index) {
    if (numbers_[index] == 0) {
      numbers_[index] = static_cast<uint32_t>(answer_.sources.size() + 1);
      answer_.sources.push_back(SourceOf(passages_[index], numbers_[index]));
    }
    return numbers_[index];
  }

  const std::vector<Passage>& passages_;
  KeptSources sources_;
  Answer& answer_;
  std::vector<uint32_t> numbers_;  // of the passages; 0: none yet
};

// By the route's models where they give an answer, else by quotes. Without hits no model is asked.
absl::Status Generate(Database& database, Collection& collection, const AskRequest& request,
                      uint64_t points, Answer* answer, std::string* cache_key) {
  if (request.route != nullptr && !answer->hits.empty()) {
    const AnswerReader read = [&](const std::string& id) {
      return GetAnswer(database, request.principal, id);
    };
    const absl::StatusOr<bool> answered =
        AnswerByModel(collection, request, read, answer, cache_key);
    if (!answered.ok()) return answered.status();
    if (*answered) return absl::OkStatus();
  }
  return AnswerByQuotes(collection, request, points, answer);
}

// One text as a tree: by the pipeline's query where it has one, else by the mode.
absl::StatusOr<TextQuery> TreeOf(Collection& collection, EmbedderRegistry& embedders,
                                 const AskRequest& request, const std::string& text, Version at) {
  if (request.pipeline == nullptr || request.pipeline->spec.retrieve.query.empty()) {
    return BuildTextQuery(collection, embedders, text, request.mode, at, request.cancel);
  }
  if (!request.tree) return absl::InternalError("nothing reads the pipeline's query");
  return request.tree(request.pipeline->spec.retrieve.query, text, collection, at, request.cancel);
}

// Of the field that questions are embedded for; 0: there is none.
uint32_t DimOf(const CollectionSchema& schema) { return schema.dense.empty() ? 0 : schema.dense.front().dim; }

}  // namespace

absl::StatusOr<TextQuery> BuildAskQuery(Collection& collection, EmbedderRegistry& embedders,
                                        const AskRequest& request, const Answer& answer) {
  TextQuery query;
  FuseNode fuse;
  for (const std::string& text : RetrievalTexts(answer)) {
    absl::StatusOr<TextQuery> tree = TreeOf(collection, embedders, request, text, answer.version);
    if (!tree.ok()) return tree.status();
    if (query.embedder.empty()) query.embedder = std::move(tree->embedder);
    fuse.children.push_back(std::move(tree->root));
  }
  if (fuse.children.size() == 1) {
    query.root = std::move(fuse.children.front());
  } else {
    query.root.node = std::move(fuse);
  }
  return query;
}

namespace {

// The hits of one pipeline.
absl::Status SearchHits(Collection& collection, EmbedderRegistry& embedders,
                        const AskRequest& request, CandidateLog& candidates, Answer* answer,
                        uint64_t* points) {
  const int64_t started_us = request.tracer == nullptr ? 0 : Clock::System().NowMicros();
  absl::StatusOr<TextQuery> query = BuildAskQuery(collection, embedders, request, *answer);
  if (query.ok()) answer->embedder = query->embedder;
  if (request.tracer != nullptr && (!query.ok() || !query->embedder.empty())) {
    RecordEmbedding(request, *answer, DimOf(collection.schema()), started_us, Clock::System().NowMicros(), query.status());
  }
  if (!query.ok()) return query.status();
  SearchRequest search;
  search.query = std::move(query->root);
  search.filter = request.filter;
  search.limit = request.context_chunks;
  search.at = {answer->version};
  search.projection.provenance = true;
  search.explain = true;
  search.candidates = &candidates;
  search.principal = request.principal;
  search.cancel = request.cancel;
  absl::StatusOr<SearchResponse> response = collection.Search(search);
  if (!response.ok()) return response.status();
  answer->hits = std::move(response->hits);
  answer->build_ids = std::move(response->build_ids);
  *points = response->visible_rows;
  return absl::OkStatus();
}

}  // namespace

absl::Status RetrieveHits(Collection& collection, EmbedderRegistry& embedders,
                          const AskRequest& request, CandidateLog& candidates, Answer* answer,
                          uint64_t* points) {
  absl::Status status = SearchHits(collection, embedders, request, candidates, answer, points);
  if (!status.ok() || request.interleave == nullptr || !request.experiment) return status;
  // Both look for the same: what the answering pipeline made of the question.
  Answer other;
  other.question = answer->question;
  other.conversation = answer->conversation;
  other.rewrites = answer->rewrites;
  other.version = answer->version;
  const CandidateLog own = candidates;
  status = SearchHits(collection, embedders, *request.interleave, candidates, &other, points);
  if (!status.ok()) {
    // A trial takes nobody's answer away, unless it is the caller who has ended.
    if (absl::Status ended = request.cancel.Check(); !ended.ok()) return ended;
    candidates = own;
    if (answer->experiment) {
      answer->experiment->against.clear();
      answer->experiment->against_filter.clear();
    }
    return absl::OkStatus();
  }
  Interleaved mixed = TeamDraft(answer->hits, other.hits, request.context_chunks,
                                InterleaveSeed(*request.experiment, answer->question));
  answer->hits = std::move(mixed.hits);
  if (answer->experiment) answer->experiment->teams = std::move(mixed.teams);
  return absl::OkStatus();
}

absl::Status AnswerByQuotes(Collection& collection, const AskRequest& request, uint64_t points,
                            Answer* answer) {
  const ExtractiveOptions options{.max_sentences = request.max_sentences, .points = points};
  answer->generator = ExtractiveId(options);
  answer->sources.clear();
  absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer =
      Analyzer::Create(LanguageOf(collection.schema()));
  if (!analyzer.ok()) return analyzer.status();
  absl::StatusOr<std::vector<Passage>> read = ReadPassages(collection, *answer, request.principal);
  if (!read.ok()) return read.status();
  const std::vector<Passage> passages =
      AssemblePassages(*std::move(read), request.pipeline == nullptr ? AssembleStep() : request.pipeline->spec.assemble);
  std::vector<ExtractiveChunk> chunks;
  for (const Passage& passage : passages) {
    chunks.push_back({.text = passage.text,
                      .context = Concat(passage.title, " ", passage.heading),
                      .blocks = passage.provenance.blocks});
  }
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  Composer composer(passages, collection, answer);
  for (const ExtractedSentence& sentence :
       ExtractSentences(EffectiveQuestion(*answer), chunks, TermWeights(answer->hits), **analyzer, options)) {
    composer.Add(sentence);
  }
  composer.AddOtherSources();
  answer->abstained = answer->citations.empty();
  if (answer->abstained) answer->text = kNothingFound;
  if (request.listener == nullptr) return absl::OkStatus();
  if (absl::Status status = request.listener->OnSources(answer->sources); !status.ok())
    return status;
  if (absl::Status status = request.listener->OnText(answer->text); !status.ok()) return status;
  return request.listener->OnCitations(answer->citations);
}

namespace {

// Where and how it looks; a filter that the request has is and-ed with the pipeline's.
absl::Status TakeRetrieval(const PipelineSpec& spec, AskRequest* request) {
  if (!request->collection.empty() && request->collection != spec.collection) {
    return absl::InvalidArgumentError(
        Concat("the collection is '", Escape(request->collection), "', and pipeline ", spec.name,
               " asks ", spec.collection, "; leave it out"));
  }
  request->collection = spec.collection;
  request->mode = spec.retrieve.mode;
  request->context_chunks = spec.retrieve.chunks;
  if (spec.retrieve.filter.empty()) return absl::OkStatus();
  absl::StatusOr<Filter> filter = FilterFromJson(spec.retrieve.filter);
  if (!filter.ok()) return filter.status();
  if (request->filter) {
    Filter both{.op = FilterOp::kAnd};
    both.children = {*std::move(filter), *std::move(request->filter)};
    request->filter = std::move(both);
  } else {
    request->filter = *std::move(filter);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const AskRequest>> RetrievalOf(
    std::shared_ptr<const PipelineVersion> pipeline, AskRequest request) {
  if (absl::Status status = TakeRetrieval(pipeline->spec, &request); !status.ok()) return status;
  request.pipeline = std::move(pipeline);
  return std::make_shared<const AskRequest>(std::move(request));
}

absl::Status UsePipeline(std::shared_ptr<const PipelineVersion> pipeline, ModelRoute* route,
                         AskRequest* request) {
  const PipelineSpec& spec = pipeline->spec;
  if (absl::Status status = TakeRetrieval(spec, request); !status.ok()) return status;
  request->max_sentences = spec.generate.max_sentences;
  request->min_grounding = spec.guard.min_grounding;
  if (spec.generate.generator == "route" && route == nullptr) {
    return absl::FailedPreconditionError(
        Concat("pipeline ", spec.name,
               " asks models, and there are none: set generator.route or generator.model in the "
               "server's configuration"));
  }
  request->route = spec.generate.generator == "builtin/extractive" ? nullptr : route;
  request->needs_models = spec.generate.generator == "route";
  request->rewrite_route = route;
  request->pipeline = std::move(pipeline);
  return absl::OkStatus();
}

namespace {

absl::Status KeepRecord(Database& database, const AskRequest& request, const Answer& answer) {
  const std::array<uint8_t, 16> random = RandomBytes();
  const std::string salt(random.begin(), random.end());
  AnswerRecords& records = AnswerRecords::Of(database.store());
  if (request.pipeline == nullptr || request.pipeline->spec.record.redact.empty())
    return records.PutAnswerLinked(answer.tenant, answer.id, AnswerToJson(answer), salt).status();
  const absl::StatusOr<Redaction> redaction = Redaction::Create(request.pipeline->spec.record);
  if (!redaction.ok()) return redaction.status();
  Answer kept = answer;
  redaction->Cover(&kept);
  return records.PutAnswerLinked(kept.tenant, kept.id, AnswerToJson(kept), salt).status();
}

// All of Ask but its spans. What the answer says so far stands in it when a step fails.
absl::Status MakeAnswer(Database& database, EmbedderRegistry& embedders, const AskRequest& request, Answer* answer) {
  if (absl::Status status = CheckAsk(request); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(request.principal, request.collection);
  if (!collection.ok()) return collection.status();
  const absl::StatusOr<Version> version = (*collection)->Resolve(request.at);
  if (!version.ok()) return version.status();
  // Until the record pins it.
  const absl::StatusOr<std::shared_ptr<const void>> hold = HoldVersion(**collection, *version);
  if (!hold.ok()) return hold.status();

  answer->id = MakeUuidV7(answer->time_us, RandomBytes());
  answer->tenant = request.principal.tenant;
  answer->subject = request.principal.subject;
  // By its name, whatever alias it was asked by: a replay must find the same one.
  answer->collection = (*collection)->info().name;
  answer->version = *version;
  answer->question = request.question;
  answer->mode = std::string(RetrievalModeName(request.mode));
  if (request.filter) answer->filter = FilterToJson(*request.filter);
  answer->context_chunks = request.context_chunks;
  answer->engine = VOUCH_VERSION;
  answer->evaluation = request.evaluation;
  answer->experiment = request.experiment;
  if (answer->experiment && request.interleave != nullptr && request.interleave->filter)
    answer->experiment->against_filter = FilterToJson(*request.interleave->filter);
  if (request.pipeline != nullptr) {
    answer->pipeline = Concat(request.pipeline->spec.name, "@", request.pipeline->number);
    answer->pipeline_hash = request.pipeline->hash;
  }
  answer->conversation = LatestTurns(request.conversation);
  if (absl::Status status = RewriteQuestion(request, answer); !status.ok()) return status;
  uint64_t points = 0;
  CandidateLog candidates;
  absl::Status status = RetrieveHits(**collection, embedders, request, candidates, answer, &points);
  if (!status.ok()) return status;
  answer->candidates = candidates.lists();
  const int64_t retrieved_us = database.clock().NowMicros();
  answer->retrieve_us = retrieved_us - answer->time_us;
  std::string cache_key;
  status = Generate(database, **collection, request, points, answer, &cache_key);
  if (!status.ok()) return status;
  answer->generate_us = database.clock().NowMicros() - retrieved_us;
  if (status = KeepRecord(database, request, *answer); !status.ok()) return status;
  if (status = EraseForgotten(database, (*collection)->id(), *answer); !status.ok()) return status;
  // Once it is kept, so that whoever finds it there can read it.
  if (!cache_key.empty()) request.cache->Put(cache_key, answer->id);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Answer> Ask(Database& database, EmbedderRegistry& embedders,
                           const AskRequest& request) {
  Answer answer;
  answer.time_us = database.clock().NowMicros();
  if (request.tracer != nullptr || request.parent.valid()) answer.trace = NewSpan(request.parent);
  const absl::Status status = MakeAnswer(database, embedders, request, &answer);
  if (request.tracer != nullptr) RecordAsk(request, answer, database.clock().NowMicros(), status);
  if (!status.ok()) return status;
  return answer;
}

uint64_t CostNanoOf(const Answer& answer) {
  uint64_t cost = answer.generation ? answer.generation->cost_nano : 0;
  for (const Rewrite& rewrite : answer.rewrites) {
    for (const ModelAttempt& attempt : rewrite.attempts) cost = AddNano(cost, attempt.cost_nano);
  }
  return cost;
}

absl::StatusOr<Answer> GetAnswer(Database& database, const Principal& principal,
                                 std::string_view id) {
  absl::StatusOr<std::string> record = database.store().GetAnswer(principal.tenant, id);
  if (!record.ok()) return record.status();
  return AnswerFromJson(*record);
}

}  // namespace vouch
