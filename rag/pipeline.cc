#include "rag/pipeline.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "rag/field_error.h"
#include "rag/prompt_template.h"
#include "rag/redaction.h"
#include "rag/record_reader.h"
#include "rag/llm/model_route.h"

namespace vouch {
namespace {

constexpr int kPipelineFormat = 1;
constexpr size_t kMaxNameBytes = 100;  // stands in a setting's key with a number
constexpr size_t kMaxDescriptionBytes = 4'096;
constexpr uint32_t kMaxChunks = 100;
constexpr uint32_t kMostSentences = 20;
constexpr std::string_view kPipelineThing = "the pipeline";

absl::Status CheckRange(std::string_view field, uint64_t value, uint64_t min, uint64_t max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return FieldError(field, Concat("is ", value, "; it takes ", min, " to ", max));
}

std::string_view OrderName(PassageOrder order) {
  switch (order) {
    case PassageOrder::kRank:
      return "rank";
    case PassageOrder::kDocument:
      return "document";
  }
  return "rank";
}

absl::StatusOr<RewriteStep> ReadRewriteStep(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  RewriteStep step;
  reader.Take("standalone", &step.standalone);
  reader.Take("questions", &step.questions);
  reader.Take("hypothetical", &step.hypothetical);
  if (!reader.status().ok()) return reader.status();
  return step;
}

absl::StatusOr<RetrieveStep> ReadRetrieve(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  RetrieveStep step;
  std::string mode;
  reader.Take("mode", &mode);
  reader.Take("filter", &step.filter);
  reader.Take("chunks", &step.chunks);
  reader.Take("query", &step.query);
  if (!reader.status().ok()) return reader.status();
  const absl::StatusOr<RetrievalMode> parsed = ParseRetrievalMode(mode);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  step.mode = *parsed;
  return step;
}

absl::StatusOr<AssembleStep> ReadAssemble(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  AssembleStep step;
  std::string order;
  reader.Take("max_prompt_tokens", &step.max_prompt_tokens);
  reader.Take("order", &order);
  reader.Take("dedupe", &step.dedupe);
  if (!reader.status().ok()) return reader.status();
  step.order = order == "document" ? PassageOrder::kDocument : PassageOrder::kRank;
  return step;
}

absl::StatusOr<PromptStep> ReadPrompt(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  PromptStep step;
  reader.Take("system", &step.system);
  reader.Take("user", &step.user);
  const auto variables = json.find("variables");
  if (!reader.status().ok()) return reader.status();
  if (variables == json.end() || !variables->is_object())
    return absl::DataLossError("the pipeline is damaged: prompt.variables is no object");
  for (const auto& [name, value] : variables->items()) {
    if (!value.is_string())
      return absl::DataLossError("the pipeline is damaged: a variable is no text");
    step.variables[name] = value.get<std::string>();
  }
  return step;
}

absl::StatusOr<GenerateStep> ReadGenerate(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  GenerateStep step;
  reader.Take("generator", &step.generator);
  reader.Take("max_sentences", &step.max_sentences);
  if (!reader.status().ok()) return reader.status();
  return step;
}

absl::StatusOr<RecordStep> ReadRecord(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  RecordStep step;
  reader.TakeList("redact", &step.redact, ReadRecordText);
  if (!reader.status().ok()) return reader.status();
  return step;
}

absl::StatusOr<GuardStep> ReadGuard(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  GuardStep step;
  reader.Take("min_grounding", &step.min_grounding);
  reader.Take("hold", &step.hold);
  if (!reader.status().ok()) return reader.status();
  return step;
}

absl::StatusOr<CacheStep> ReadCache(const RecordJson& json, std::string where) {
  RecordReader reader(json, std::move(where), kPipelineThing);
  CacheStep step;
  reader.Take("enabled", &step.enabled);
  reader.Take("similar", &step.similar);
  reader.Take("max_age_seconds", &step.max_age_seconds);
  if (!reader.status().ok()) return reader.status();
  return step;
}

}  // namespace

absl::Status CheckPipeline(const PipelineSpec& spec) {
  const auto in_name = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  if (spec.name.empty() || spec.name.size() > kMaxNameBytes ||
      !std::all_of(spec.name.begin(), spec.name.end(), in_name) || spec.name.front() == '.' ||
      spec.name.front() == '-') {
    return FieldError("name", Concat("is '", Escape(spec.name), "'; it takes 1 to ", kMaxNameBytes,
                                     " characters of [A-Za-z0-9._-], not starting with '.' or '-'"));
  }
  if (spec.description.size() > kMaxDescriptionBytes) {
    return FieldError("description", Concat("has ", spec.description.size(), " bytes; the limit is ",
                                            kMaxDescriptionBytes));
  }
  if (spec.collection.empty()) return FieldError("collection", "is missing");
  if (spec.rewrite.questions != 0) {
    absl::Status status =
        CheckRange("rewrite.questions", spec.rewrite.questions, 2, RewriteStep::kMaxQuestions);
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckRange("retrieve.chunks", spec.retrieve.chunks, 1, kMaxChunks);
      !status.ok())
    return status;
  if (spec.assemble.max_prompt_tokens != 0) {
    absl::Status status = CheckRange("assemble.max_prompt_tokens", spec.assemble.max_prompt_tokens,
                                     100, RouteSpec::kMaxPromptTokens);
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckPromptTemplate(spec.prompt); !status.ok()) return status;
  const std::string& generator = spec.generate.generator;
  if (!generator.empty() && generator != "route" && generator != "builtin/extractive") {
    return FieldError("generate.generator",
                      Concat("is '", Escape(generator),
                             "'; it takes builtin/extractive, route, or nothing"));
  }
  if (absl::Status status =
          CheckRange("generate.max_sentences", spec.generate.max_sentences, 1, kMostSentences);
      !status.ok())
    return status;
  if (!(spec.guard.min_grounding >= 0 && spec.guard.min_grounding <= 1)) {
    return FieldError("guard.min_grounding",
                      Concat("is ", spec.guard.min_grounding, "; it takes 0 to 1"));
  }
  if (!spec.cache.enabled && spec.cache != CacheStep())
    return FieldError("cache", "has settings and is not enabled; set cache.enabled");
  if (spec.cache.enabled && !spec.record.redact.empty()) {
    return FieldError("cache", "uses completions of records, and record.redact covers parts of those; leave one of the two out");
  }
  return Redaction::Create(spec.record).status();
}

std::string PipelineToJson(const PipelineSpec& spec) {
  RecordJson variables = RecordJson::object();
  for (const auto& [name, value] : spec.prompt.variables) variables[name] = value;
  RecordJson json = {
      {"format", kPipelineFormat},
      {"name", spec.name},
      {"description", spec.description},
      {"collection", spec.collection},
      {"rewrite",
       {{"standalone", spec.rewrite.standalone},
        {"questions", spec.rewrite.questions},
        {"hypothetical", spec.rewrite.hypothetical}}},
      {"retrieve",
       {{"mode", RetrievalModeName(spec.retrieve.mode)},
        {"filter", spec.retrieve.filter},
        {"chunks", spec.retrieve.chunks},
        {"query", spec.retrieve.query}}},
      {"assemble",
       {{"max_prompt_tokens", spec.assemble.max_prompt_tokens},
        {"order", OrderName(spec.assemble.order)},
        {"dedupe", spec.assemble.dedupe}}},
      {"prompt",
       {{"system", spec.prompt.system},
        {"user", spec.prompt.user},
        {"variables", std::move(variables)}}},
      {"generate",
       {{"generator", spec.generate.generator}, {"max_sentences", spec.generate.max_sentences}}},
      {"guard", {{"min_grounding", spec.guard.min_grounding}, {"hold", spec.guard.hold}}}};
  // Only where it says something, so that pipelines from before it keep their hashes.
  if (!spec.record.redact.empty()) json["record"] = {{"redact", spec.record.redact}};
  // Left out where it says nothing, so that pipelines of before it keep their hashes.
  if (spec.cache != CacheStep()) {
    json["cache"] = {{"enabled", spec.cache.enabled},
                     {"similar", spec.cache.similar},
                     {"max_age_seconds", spec.cache.max_age_seconds}};
  }
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<PipelineSpec> PipelineFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError("the pipeline is damaged: it is no JSON object");
  RecordReader reader(json, "", kPipelineThing);
  int64_t format = 0;
  reader.Take("format", &format);
  if (reader.status().ok() && format > kPipelineFormat) {
    return absl::FailedPreconditionError(
        Concat("the pipeline has format ", format, "; this program reads up to ", kPipelineFormat));
  }
  PipelineSpec spec;
  reader.Take("name", &spec.name);
  reader.Take("description", &spec.description);
  reader.Take("collection", &spec.collection);
  reader.TakeObject("rewrite", &spec.rewrite, ReadRewriteStep);
  reader.TakeObject("retrieve", &spec.retrieve, ReadRetrieve);
  reader.TakeObject("assemble", &spec.assemble, ReadAssemble);
  reader.TakeObject("prompt", &spec.prompt, ReadPrompt);
  reader.TakeObject("generate", &spec.generate, ReadGenerate);
  reader.TakeObject("guard", &spec.guard, ReadGuard);
  if (reader.Has("record")) reader.TakeObject("record", &spec.record, ReadRecord);
  if (reader.Has("cache")) reader.TakeObject("cache", &spec.cache, ReadCache);
  if (!reader.status().ok()) return reader.status();
  return spec;
}

}  // namespace vouch
