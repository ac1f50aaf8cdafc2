#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/document.h"
#include "rag/embed/embedder_registry.h"
#include "rag/experiment_arm.h"
#include "rag/llm/model_route.h"
#include "rag/retriever.h"
#include "rag/telemetry/span.h"

namespace vouch {

class AnswerCache;
struct Citation;
struct AnswerSource;
struct PipelineVersion;

// Makes a pipeline's own query a tree, in which a text {{question}} stands for `question`.
using TreeBuilder = std::function<absl::StatusOr<TextQuery>(
    const std::string& query, const std::string& question, Collection& collection, Version at,
    const CancelToken& cancel)>;

// Hears of an answer as it comes about, on Ask's thread, in the order of the methods. An error ends
// the question and is passed on.
class AnswerListener {
 public:
  virtual ~AnswerListener() = default;
  virtual absl::Status OnSources(const std::vector<AnswerSource>& sources) = 0;
  // Pieces of the answer's text, or of a completion that is then withdrawn: the answer's text is another one then.
  virtual absl::Status OnText(std::string_view piece) = 0;
  virtual absl::Status OnCitations(const std::vector<Citation>& citations) = 0;
};

struct AskRequest {
  std::string collection = {};
  std::string question = {};  // 1 byte … 64 KiB
  RetrievalMode mode = RetrievalMode::kHybrid;
  std::optional<Filter> filter = {};
  uint32_t context_chunks = 8;   // hits given to the generator, 1 … 100
  uint32_t max_sentences = 4;    // of the extractive answer, 1 … 20
  // The models that are asked; null: builtin/extractive, which also answers where none of them does.
  ModelRoute* route = nullptr;
  // A model's answer of whose sentences less are supported by what they cite is withdrawn, 0 … 1.
  double min_grounding = 0.5;
  // Models were asked for by name: RESOURCE_EXHAUSTED where the day's money is spent, in place of quotes.
  bool needs_models = false;
  AnswerListener* listener = nullptr;  // may be null
  // Set by UsePipeline, which also sets what is above by it; null: none was named.
  std::shared_ptr<const PipelineVersion> pipeline = nullptr;
  ModelRoute* rewrite_route = nullptr;  // the models that rewrite; null: there are none
  // Used where the pipeline's cache step is on; null: models are always asked.
  AnswerCache* cache = nullptr;
  TreeBuilder tree = nullptr;           // needed where a pipeline has a query of its own
  std::vector<ChatMessage> conversation = {};  // turns before the question; the latest ones count
  Tracer* tracer = nullptr;  // takes the spans of the request; null: nobody does
  SpanContext parent = {};   // that the request belongs to; its trace goes on, whether spans are taken or not
  ReadAt at = {};
  bool evaluation = false;  // for the record: no user asks, but an evaluation
  std::optional<ExperimentArm> experiment = {};  // for the record, too
  // Another pipeline's retrieval of the same question, whose hits are interleaved with this one's; null: none.
  std::shared_ptr<const AskRequest> interleave = nullptr;
  Principal principal = {};
  CancelToken cancel = {};
};

// One statement of the answer and the place it is taken from, or, where a model wrote it, rests on.
struct Citation {
  ByteSpan answer = {};        // bytes of the answer's text, without the marker at its end
  uint32_t source_number = 0;  // [1], [2] … in the text
  PointId point = {};
  RowId row = {};
  std::string document = {};  // document id
  std::string uri = {};
  std::string source_hash = {};  // content hash of the document's bytes
  // Of the text that a document which is none (PDF, DOCX, e-mail) was made into; empty: its bytes are text.
  std::string rendition_hash = {};
  uint32_t page = 0;             // that the quote begins on, from 1; 0: the document has no pages
  ByteSpan source = {};          // bytes of the document, or of its rendition, that hold the quote
  std::string quote = {};        // what stands there, white space collapsed; an extractive answer's sentence
  bool verified = false;     // the kept source bytes at `source` hold the quote (white space and markup apart)
};

struct AnswerSource {
  uint32_t number = 0;
  PointId point = {};
  RowId row = {};
  std::string document = {};
  std::string title = {};
  std::string heading = {};
  double score = 0;
  ByteSpan source = {};
  uint32_t page = 0;  // that it begins on; 0: the document has no pages
};

// A sentence of a model's answer, as CheckGrounding found it.
struct AnswerSentence {
  ByteSpan answer = {};                     // bytes of Generation::completion
  std::vector<uint32_t> sources = {};       // that it cites and that are there, ascending
  double support = 0;                  // share of its terms that the cited spans hold
  std::vector<std::string> problems = {};   // why it is not supported; none: it is
};

// What came of one tier's whole completion, where the route escalates.
struct TierDecision {
  std::string tier = {};
  // "answer"; "escalate": the next tier is asked; "outdone": an earlier tier's answer was better supported.
  std::string decision = {};
  std::string reason = {};   // for people; empty of an answer that was simply taken
  double grounding = 0;      // share of the sentences that are supported
  bool refused = false;      // it says that it does not know, or nothing
  double propensity = 1;     // of this decision on this evidence
  std::string response_model = {};
  std::string completion = {};  // exactly as it came; empty where `taken`
  TokenUsage usage = {};
  bool taken = false;  // the answer has its completion
};

// How models were asked.
struct Generation {
  std::string route = {};
  std::string tier = {};            // whose completion it is; empty: no tier gave one, and the answer is extractive
  std::string endpoint = {};        // without secrets
  std::string parameters = {};      // JSON, as sent beside the messages, with the model's name
  std::string response_model = {};  // as the server names it
  std::string fingerprint = {};     // of the server's configuration, where it says so
  uint32_t max_prompt_tokens = 0;  // by estimate
  std::string prompt_id = {};       // "answer/1"
  std::string prompt_hash = {};     // PromptHash of `prompt`
  std::vector<ChatMessage> prompt = {};
  std::string completion = {};      // exactly as it came
  std::string finish_reason = {};
  TokenUsage usage = {};            // of the try that gave the completion
  std::string price_table = {};     // its version; empty: none, everything costs 0
  std::string currency = {};
  uint64_t cost_nano = 0;      // of all tries, in billionths of the currency
  std::vector<ModelAttempt> attempts = {};
  double grounding = 0;        // share of the sentences that are supported
  double min_grounding = 0;
  std::vector<AnswerSentence> sentences = {};
  std::vector<TierDecision> decisions = {};  // in their order; none where the route does not escalate
};

// What a model made of a question before retrieval.
struct Rewrite {
  std::string kind = {};                // "standalone", "questions", "hypothetical"
  std::vector<std::string> texts = {};  // none where the model failed: the question is taken as it is
  std::string completion = {};          // exactly as it came
  std::vector<ModelAttempt> attempts = {};
};

// What the pipeline's cache had.
struct CacheUse {
  std::string answer_id = {};  // whose completion the answer has; empty: there was none, and models were asked
};

// The full record of one ask; kept, and shown again by id exactly as it was.
struct Answer {
  std::string id = {};  // UUIDv7
  int64_t time_us = 0;
  std::string tenant = {};
  std::string subject = {};
  std::string collection = {};
  Version version = {};
  std::string question = {};
  std::string mode = {};
  std::string filter = {};        // JSON, empty for none
  uint32_t context_chunks = 0;  // hits asked for; 0: the record has format 1, which does not say
  std::string embedder = {};
  // "builtin/extractive/2?max_sentences=4", "openai/MODEL?route=default&tier=small&prompt=answer/1"
  std::string generator = {};
  std::vector<std::string> build_ids = {};
  std::string engine = {};        // program version
  std::vector<PointHit> hits = {};  // as retrieved, with explanation
  // What each approximate search of the retrieval gave (query/candidate_log.h); early records do not say.
  std::vector<std::vector<RowId>> candidates = {};
  std::string text = {};          // the answer; markers [1] after each statement
  bool abstained = false;    // nothing retrieved speaks of the question, or supports what a model said of it
  std::vector<Citation> citations = {};
  std::vector<AnswerSource> sources = {};  // numbered from 1: cited ones first, or as a model's prompt has them
  std::optional<Generation> generation = {};  // where models were asked
  int64_t retrieve_us = 0;
  int64_t generate_us = 0;
  std::string pipeline = {};       // "support@3"; empty where none was named
  std::string pipeline_hash = {};  // of its canonical form
  bool evaluation = false;         // asked by an evaluation
  std::optional<ExperimentArm> experiment = {};  // that it is part of
  std::vector<ChatMessage> conversation = {};
  std::vector<Rewrite> rewrites = {};
  // Of the ask; the record keeps the trace's id alone. Not valid: it was not traced.
  SpanContext trace = {};
  // How many places of the record the pipeline's patterns have covered with asterisks; 0 in the answer that Ask returns.
  uint32_t redacted = 0;
  std::optional<CacheUse> cache = {};  // where the pipeline has a cache and a model would have been asked
};

// Has the request answered as the pipeline says; a filter that it has is and-ed with the pipeline's.
// `route`: the models that there are, or null. FAILED_PRECONDITION: the pipeline wants models and
// there are none. INVALID_ARGUMENT: the request names another collection.
absl::Status UsePipeline(std::shared_ptr<const PipelineVersion> pipeline, ModelRoute* route,
                         AskRequest* request);
// The pipeline's retrieval alone, for AskRequest::interleave; `request` has no pipeline yet.
absl::StatusOr<std::shared_ptr<const AskRequest>> RetrievalOf(
    std::shared_ptr<const PipelineVersion> pipeline, AskRequest request);

// Texts that were erased from a record are the JSON {"erased":"HASH"}, lists of them empty.
std::string AnswerToJson(const Answer& answer);
absl::StatusOr<Answer> AnswerFromJson(std::string_view json);

// Retrieves at one version, answers by a model or builtin/extractive, checks every citation against the kept source
// bytes, keeps the record, returns it. An error of a model is one only where some of its text has reached the listener;
// otherwise the answer is extractive, and the record says why. Where the route may escalate, a tier's text reaches the
// listener once it is checked; what streams as it comes is the last tier that may be asked, where nothing before it
// could be given instead.
absl::StatusOr<Answer> Ask(Database& database, EmbedderRegistry& embedders, const AskRequest& request);
// 32 hexadecimal digits; empty where the ask was not traced.
std::string TraceIdOf(const Answer& answer);
// NOT_FOUND. An answer of another tenant is not found.
absl::StatusOr<Answer> GetAnswer(Database& database, const Principal& principal, std::string_view id);

}  // namespace vouch
