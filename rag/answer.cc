#include "rag/answer.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "query/filter_parser.h"
#include "rag/answer_id.h"
#include "rag/cite.h"
#include "rag/extractive.h"
#include "rag/provenance.h"
#include "storage/concat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kMaxContextChunks = 100;
constexpr uint32_t kMaxSentences = 20;
constexpr std::string_view kNothingFound =
    "Nothing that was found in the collection speaks of this question.";

// A retrieved hit with what the answer needs of its payload and provenance.
struct Passage {
  const PointHit* hit = nullptr;
  std::string text;
  std::string title;
  std::string heading;
  bool ingested = false;  // its provenance is that of a chunk
  Provenance provenance;
};

absl::Status Validate(const AskRequest& request) {
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
  return absl::OkStatus();
}

std::string TextAt(const Json& payload, const char* key) {
  if (!payload.is_object()) return "";
  const auto found = payload.find(key);
  return found != payload.end() && found->is_string() ? found->get<std::string>() : "";
}

Passage ReadPassage(const PointHit& hit) {
  const Json payload = Json::parse(hit.payload, nullptr, /*allow_exceptions=*/false);
  Passage passage{.hit = &hit,
                  .text = TextAt(payload, "text"),
                  .title = TextAt(payload, "title"),
                  .heading = TextAt(payload, "heading"),
                  .provenance = {}};
  if (absl::StatusOr<Provenance> provenance = DecodeProvenance(hit.provenance); provenance.ok()) {
    passage.ingested = true;
    passage.provenance = *std::move(provenance);
  } else {
    passage.provenance.document = hit.id.ToString();  // a row that a user wrote
  }
  return passage;
}

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

// Kept sources by content hash, each read once an answer. A source that is gone or damaged is
// empty, and no quote verifies against it.
class Sources {
 public:
  explicit Sources(Collection& collection) : collection_(collection) {}

  const std::string& Get(const std::string& hash) {
    const auto [entry, fresh] = kept_.try_emplace(hash);
    if (fresh && !hash.empty()) {
      absl::StatusOr<std::string> bytes = collection_.store().GetArtifact(collection_.id(), hash);
      if (bytes.ok() && ContentHash(*bytes) == hash) entry->second = *std::move(bytes);
    }
    return entry->second;
  }

 private:
  Collection& collection_;
  std::map<std::string, std::string> kept_;
};

// Writes text, citations and sources into the answer.
class Composer {
 public:
  Composer(const std::vector<Passage>& passages, Collection& collection, Answer* answer)
      : passages_(passages), sources_(collection), answer_(*answer), numbers_(passages.size(), 0) {}

  void Add(const ExtractedSentence& sentence) {
    const Passage& passage = passages_[sentence.chunk];
    const uint32_t number = NumberOf(sentence.chunk);
    const ByteSpan span = sentence.text;
    Citation citation;
    citation.source_number = number;
    citation.point = passage.hit->id;
    citation.row = passage.hit->row;
    citation.document = passage.provenance.document;
    citation.uri = passage.provenance.uri;
    citation.source_hash = passage.provenance.source_hash;
    citation.source = passage.provenance.spans.ToSource(span.begin, span.end);
    citation.quote =
        CollapseSpace(std::string_view(passage.text).substr(span.begin, span.end - span.begin));
    citation.verified = passage.ingested &&
                        VerifyQuote(citation.quote, passage.text, span, passage.provenance.spans,
                                    sources_.Get(citation.source_hash));
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
    if (numbers_[index] != 0) return numbers_[index];
    const Passage& passage = passages_[index];
    numbers_[index] = static_cast<uint32_t>(answer_.sources.size() + 1);
    answer_.sources.push_back({.number = numbers_[index],
                               .point = passage.hit->id,
                               .row = passage.hit->row,
                               .document = passage.provenance.document,
                               .title = passage.title,
                               .heading = passage.heading,
                               .score = passage.hit->score,
                               .source = passage.provenance.source});
    return numbers_[index];
  }

  const std::vector<Passage>& passages_;
  Sources sources_;
  Answer& answer_;
  std::vector<uint32_t> numbers_;  // of the passages; 0: none yet
};

// The language of the question's terms: that of the text field.
std::string LanguageOf(const CollectionSchema& schema) {
  return schema.text.empty() ? TextField().language : schema.text.front().language;
}

// `points`: how many the version has that the principal sees.
absl::Status Retrieve(Collection& collection, EmbedderRegistry& embedders,
                      const AskRequest& request, Answer* answer, uint64_t* points) {
  absl::StatusOr<TextQuery> query = BuildTextQuery(collection, embedders, request.question,
                                                   request.mode, answer->version, request.cancel);
  if (!query.ok()) return query.status();
  answer->embedder = query->embedder;
  SearchRequest search;
  search.query = std::move(query->root);
  search.filter = request.filter;
  search.limit = request.context_chunks;
  search.at = {answer->version};
  search.projection.provenance = true;
  search.explain = true;
  search.principal = request.principal;
  search.cancel = request.cancel;
  absl::StatusOr<SearchResponse> response = collection.Search(search);
  if (!response.ok()) return response.status();
  answer->hits = std::move(response->hits);
  answer->build_ids = std::move(response->build_ids);
  *points = response->visible_rows;
  return absl::OkStatus();
}

absl::Status Generate(Collection& collection, const AskRequest& request, uint64_t points,
                      Answer* answer) {
  const ExtractiveOptions options{.max_sentences = request.max_sentences, .points = points};
  answer->generator = ExtractiveId(options);
  absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer =
      Analyzer::Create(LanguageOf(collection.schema()));
  if (!analyzer.ok()) return analyzer.status();
  std::vector<Passage> passages;
  std::vector<ExtractiveChunk> chunks;
  for (const PointHit& hit : answer->hits) {
    passages.push_back(ReadPassage(hit));
    chunks.push_back({.text = passages.back().text,
                      .context = Concat(passages.back().title, " ", passages.back().heading),
                      .blocks = passages.back().provenance.blocks});
  }
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  Composer composer(passages, collection, answer);
  for (const ExtractedSentence& sentence :
       ExtractSentences(request.question, chunks, TermWeights(answer->hits), **analyzer, options)) {
    composer.Add(sentence);
  }
  composer.AddOtherSources();
  answer->abstained = answer->citations.empty();
  if (answer->abstained) answer->text = kNothingFound;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Answer> Ask(Database& database, EmbedderRegistry& embedders,
                           const AskRequest& request) {
  if (absl::Status status = Validate(request); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(request.principal, request.collection);
  if (!collection.ok()) return collection.status();
  const absl::StatusOr<Version> version = (*collection)->Resolve(request.at);
  if (!version.ok()) return version.status();

  Answer answer;
  answer.time_us = database.clock().NowMicros();
  answer.id = MakeUuidV7(answer.time_us, RandomBytes());
  answer.tenant = request.principal.tenant;
  answer.subject = request.principal.subject;
  answer.collection = request.collection;
  answer.version = *version;
  answer.question = request.question;
  answer.mode = std::string(RetrievalModeName(request.mode));
  if (request.filter) answer.filter = FilterToJson(*request.filter);
  answer.engine = VOUCH_VERSION;
  uint64_t points = 0;
  if (absl::Status status = Retrieve(**collection, embedders, request, &answer, &points);
      !status.ok())
    return status;
  const int64_t retrieved_us = database.clock().NowMicros();
  answer.retrieve_us = retrieved_us - answer.time_us;
  if (absl::Status status = Generate(**collection, request, points, &answer); !status.ok())
    return status;
  answer.generate_us = database.clock().NowMicros() - retrieved_us;
  if (absl::Status status =
          database.store().PutAnswer(answer.tenant, answer.id, AnswerToJson(answer));
      !status.ok()) {
    return status;
  }
  return answer;
}

absl::StatusOr<Answer> GetAnswer(Database& database, const Principal& principal,
                                 std::string_view id) {
  absl::StatusOr<std::string> record = database.store().GetAnswer(principal.tenant, id);
  if (!record.ok()) return record.status();
  return AnswerFromJson(*record);
}

}  // namespace vouch
