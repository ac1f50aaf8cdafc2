#include "rag/replay.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "query/filter_parser.h"
#include "rag/ask_steps.h"
#include "rag/model_answer.h"
#include "rag/pipeline_store.h"
#include "rag/prompt.h"
#include "rag/record_reader.h"
#include "storage/answer_digest.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kShownBytes = 60;
constexpr size_t kShownBefore = 20;  // of a text, before the place where it differs

std::string Shown(const RecordJson& value) {
  return Escape(value.dump(-1, ' ', false, RecordJson::error_handler_t::replace), kShownBytes);
}

// Texts around the place where they part.
std::string TextDifference(const std::string& path, const std::string& before,
                           const std::string& after) {
  const size_t at = static_cast<size_t>(
      std::mismatch(before.begin(), before.end(), after.begin(), after.end()).first -
      before.begin());
  const size_t from = at - std::min(at, kShownBefore);
  return Concat(path, ": from byte ", at, " on, \"", Escape(before.substr(from), kShownBytes),
                "\" became \"", Escape(after.substr(std::min(from, after.size())), kShownBytes),
                "\"");
}

// The first field, in the order of the record, that is not the same; empty where all are.
std::string FirstDifference(const std::string& path, const RecordJson& before,
                            const RecordJson& after) {
  if (before == after) return "";
  if (before.is_object() && after.is_object()) {
    for (const auto& [key, value] : before.items()) {
      const auto other = after.find(key);
      const std::string field = path.empty() ? key : Concat(path, ".", key);
      if (other == after.end()) return Concat(field, ": is gone");
      if (std::string found = FirstDifference(field, value, *other); !found.empty()) return found;
    }
    return Concat(path, ": has new fields");
  }
  if (before.is_array() && after.is_array()) {
    for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
      std::string found = FirstDifference(Concat(path, "[", i, "]"), before[i], after[i]);
      if (!found.empty()) return found;
    }
    return Concat(path, ": ", before.size(), " became ", after.size());
  }
  if (before.is_string() && after.is_string()) {
    return TextDifference(path, before.get_ref<const std::string&>(),
                          after.get_ref<const std::string&>());
  }
  return Concat(path, ": ", Shown(before), " became ", Shown(after));
}

// The same over some fields.
std::string FirstDifferenceOf(const std::string& path, const RecordJson& before,
                              const RecordJson& after, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const std::string field = path.empty() ? key : Concat(path, ".", key);
    if (std::string found =
            FirstDifference(field, before.value(key, RecordJson()), after.value(key, RecordJson()));
        !found.empty()) {
      return found;
    }
  }
  return "";
}

RecordJson JsonOf(const Answer& answer) {
  return RecordJson::parse(AnswerToJson(answer), nullptr, /*allow_exceptions=*/false);
}

// `changed`: texts were erased or covered, so that hashes and spans over them are not those of what is left.
std::string ExplainsItself(const Answer& answer, bool changed) {
  if (answer.generation && !changed &&
      PromptHash(answer.generation->prompt) != answer.generation->prompt_hash &&
      !answer.generation->prompt.empty()) {
    return "generation.prompt_hash: is not the hash of generation.prompt";
  }
  for (size_t i = 0; i < answer.citations.size(); ++i) {
    const Citation& citation = answer.citations[i];
    const uint32_t number = citation.source_number;
    if (number == 0 || number > answer.sources.size() ||
        answer.sources[number - 1].point != citation.point) {
      return Concat("citations[", i, "].source_number: names no source of the record");
    }
    if (!changed &&
        (citation.answer.begin > citation.answer.end || citation.answer.end > answer.text.size())) {
      return Concat("citations[", i, "].answer: lies outside of the text");
    }
  }
  return "";
}

// Why the record alone cannot be taken again; empty where it is whole.
std::string WhatIsMissing(const Answer& recorded, std::string_view record) {
  const std::vector<ErasedText> erased = ListErasedTexts(record);
  if (!erased.empty()) {
    return Concat(erased[0].path, ": was erased, as its source was forgotten; its hash is ", erased[0].hash,
                  erased.size() == 1 ? "" : Concat(" (and ", erased.size() - 1, " more)"));
  }
  if (recorded.redacted != 0) {
    return Concat("question: the pipeline's patterns covered ", recorded.redacted,
                  " places of the record with asterisks, so that it was not kept as it was asked");
  }
  return "";
}

// "builtin/extractive/2?max_sentences=4" → 4; 0 where it does not say.
uint32_t MaxSentencesOf(std::string_view generator) {
  constexpr std::string_view kKey = "max_sentences=";
  const size_t at = generator.find(kKey);
  if (at == std::string_view::npos) return 0;
  const std::string_view value = generator.substr(at + kKey.size());
  uint32_t number = 0;
  return absl::SimpleAtoi(ToAbsl(value.substr(0, value.find('&'))), &number) ? number : 0;
}

// The pipeline that the record names, as it was then.
absl::StatusOr<std::shared_ptr<const PipelineVersion>> PipelineOf(Database& database,
                                                                  const Answer& recorded) {
  if (recorded.pipeline.empty()) return std::shared_ptr<const PipelineVersion>();
  auto pipeline = PipelineStore(database.store(), database.clock())
                      .Get(recorded.tenant, recorded.pipeline);
  if (!pipeline.ok()) return pipeline.status();
  if ((*pipeline)->hash != recorded.pipeline_hash) {
    return absl::FailedPreconditionError(
        Concat("pipeline ", recorded.pipeline, " has another hash than the record names"));
  }
  return pipeline;
}

// The other pipeline's retrieval, where two were interleaved.
absl::Status Interleave(Database& database, const Answer& recorded, AskRequest* ask) {
  auto against = PipelineStore(database.store(), database.clock())
                     .Get(recorded.tenant, recorded.experiment->against);
  if (!against.ok()) return against.status();
  AskRequest other;
  other.question = recorded.question;
  other.tree = ask->tree;
  other.principal = ask->principal;
  other.cancel = ask->cancel;
  absl::StatusOr<std::shared_ptr<const AskRequest>> retrieval =
      RetrievalOf(*std::move(against), std::move(other));
  if (!retrieval.ok()) return retrieval.status();
  // The caller's filter stands in the record, and-ed with the pipeline's.
  AskRequest as_recorded = **retrieval;
  as_recorded.filter.reset();
  if (!recorded.experiment->against_filter.empty()) {
    absl::StatusOr<Filter> filter = FilterFromJson(recorded.experiment->against_filter);
    if (!filter.ok()) return filter.status();
    as_recorded.filter = *std::move(filter);
  }
  ask->experiment = recorded.experiment;
  ask->interleave = std::make_shared<const AskRequest>(std::move(as_recorded));
  return absl::OkStatus();
}

absl::StatusOr<AskRequest> RequestOf(Database& database, const Answer& recorded,
                                     const ReplayRequest& request) {
  AskRequest ask;
  absl::StatusOr<std::shared_ptr<const PipelineVersion>> pipeline = PipelineOf(database, recorded);
  if (!pipeline.ok()) return pipeline.status();
  ask.pipeline = *std::move(pipeline);
  ask.tree = request.tree;
  ask.collection = recorded.collection;
  ask.question = recorded.question;
  const absl::StatusOr<RetrievalMode> mode = ParseRetrievalMode(recorded.mode);
  if (!mode.ok()) return mode.status();
  ask.mode = *mode;
  if (!recorded.filter.empty()) {
    absl::StatusOr<Filter> filter = FilterFromJson(recorded.filter);
    if (!filter.ok()) return filter.status();
    ask.filter = *std::move(filter);
  }
  // A record of format 1 does not say how many were asked for; at least those that it has.
  ask.context_chunks = recorded.context_chunks != 0
                           ? recorded.context_chunks
                           : std::max<uint32_t>(1, static_cast<uint32_t>(recorded.hits.size()));
  if (const uint32_t sentences = MaxSentencesOf(recorded.generator); sentences != 0) {
    ask.max_sentences = sentences;
  }
  if (recorded.generation) ask.min_grounding = recorded.generation->min_grounding;
  ask.principal = request.principal;
  ask.cancel = request.cancel;
  if (recorded.experiment && !recorded.experiment->against.empty()) {
    absl::Status status = Interleave(database, recorded, &ask);
    if (!status.ok()) return status;
  }
  return ask;
}

// Takes the steps again; what the record only notes (id, times, index files) is taken over.
absl::StatusOr<Answer> Redo(Database& database, EmbedderRegistry& embedders, const Answer& recorded,
                            const ReplayRequest& request, CandidateLog& candidates) {
  const absl::StatusOr<AskRequest> ask = RequestOf(database, recorded, request);
  if (!ask.ok()) return ask.status();
  absl::StatusOr<std::shared_ptr<Collection>> collection =
      database.GetCollection(request.principal, recorded.collection);
  if (!collection.ok()) return collection.status();
  const absl::StatusOr<Version> version =
      (*collection)->Resolve(request.at ? *request.at : ReadAt{recorded.version});
  if (!version.ok()) return version.status();
  Answer answer;
  answer.tenant = recorded.tenant;
  answer.version = *version;
  // What models made of the question is taken over, as a completion is.
  answer.question = recorded.question;
  answer.pipeline = recorded.pipeline;
  answer.conversation = recorded.conversation;
  answer.rewrites = recorded.rewrites;
  answer.experiment = recorded.experiment;
  uint64_t points = 0;
  absl::Status status = RetrieveHits(**collection, embedders, *ask, candidates, &answer, &points);
  if (!status.ok()) return status;
  if (recorded.experiment && recorded.experiment->against != answer.experiment->against) {
    return absl::FailedPreconditionError(
        Concat("the hits of ", recorded.experiment->against, ", which were mixed in, cannot be had now"));
  }
  bool by_model = false;
  if (recorded.generation && !answer.hits.empty()) {
    status = RedoModelAnswer(**collection, *ask, *recorded.generation, &answer);
    if (!status.ok()) return status;
    by_model = !recorded.generation->tier.empty();
  }
  if (by_model) {
    answer.generator = recorded.generator;
  } else {
    status = AnswerByQuotes(**collection, *ask, points, &answer);
    if (!status.ok()) return status;
  }
  return answer;
}

// What R1 asks for, and how near the index of now comes to the one that the answer was found by.
std::string SameHits(const CandidateLog& candidates) {
  const uint64_t kept = candidates.gives() ? candidates.rows() : 0;
  const std::string same = "the same hits and scores";
  if (candidates.found_again() == kept) return same;
  return Concat(same, ", from the recorded candidates (the index of now finds ", candidates.found_again(), " of ", kept, ")");
}

}  // namespace

absl::StatusOr<ReplayReport> Replay(Database& database, EmbedderRegistry& embedders,
                                    const ReplayRequest& request) {
  const absl::StatusOr<std::string> record = database.store().GetAnswer(request.principal.tenant, request.id);
  if (!record.ok()) return record.status();
  const absl::StatusOr<Answer> recorded = AnswerFromJson(*record);
  if (!recorded.ok()) return recorded.status();
  ReplayReport report{
      .id = recorded->id, .version = recorded->version, .level = "", .steps = {}, .text = ""};
  const auto add = [&report](const char* level, std::string what, std::string difference) {
    const bool holds = report.steps.empty() || report.level == report.steps.back().level;
    report.steps.push_back({.level = level,
                            .what = std::move(what),
                            .identical = difference.empty(),
                            .first_difference = std::move(difference)});
    if (holds && report.steps.back().identical) report.level = level;
  };
  const std::string missing = WhatIsMissing(*recorded, *record);
  add("R0", "the record explains itself", ExplainsItself(*recorded, !missing.empty()));
  const auto add_all = [&add](const std::string& difference) {
    for (const auto& [level, what] :
         {std::pair{"R1", "the same hits and scores"}, std::pair{"R2", "the same prompt"},
          std::pair{"R3", "the same answer"}}) {
      add(level, what, difference);
    }
  };
  if (!missing.empty()) {
    report.text = recorded->text;
    add_all(missing);
    return report;
  }
  CandidateLog candidates =
      request.at || recorded->candidates.empty() ? CandidateLog() : CandidateLog(recorded->candidates);
  const absl::StatusOr<Answer> redone = Redo(database, embedders, *recorded, request, candidates);
  // The caller's end says nothing of the answer.
  if (absl::Status status = request.cancel.Check(); !status.ok()) return status;
  if (!redone.ok()) {
    add_all(Concat("it cannot be taken again: ", ToStd(redone.status().message())));
    return report;
  }
  report.version = redone->version;
  report.text = redone->text;
  const RecordJson before = JsonOf(*recorded);
  const RecordJson after = JsonOf(*redone);
  add("R1", SameHits(candidates), FirstDifferenceOf("", before, after, {"embedder", "hits"}));
  const RecordJson no_generation = RecordJson::object();
  const RecordJson& then = before["generation"].is_object() ? before["generation"] : no_generation;
  const RecordJson& now = after["generation"].is_object() ? after["generation"] : no_generation;
  add("R2", "the same prompt", FirstDifferenceOf("generation", then, now, {"prompt_id", "prompt"}));
  std::string answer = FirstDifferenceOf(
      "", before, after, {"generator", "text", "abstained", "citations", "sources"});
  if (answer.empty()) {
    answer = FirstDifferenceOf("generation", then, now, {"sentences", "grounding", "decisions"});
  }
  add("R3", "the same answer", std::move(answer));
  if (redone->version != recorded->version) report.level = "R4";
  return report;
}

}  // namespace vouch
