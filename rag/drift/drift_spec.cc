#include "rag/drift/drift_spec.h"

#include <algorithm>

#include "rag/deliver/spec_store.h"
#include "rag/field_error.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr DriftKind kKinds[] = {DriftKind::kQueries, DriftKind::kCorpus, DriftKind::kEmbedder,
                                DriftKind::kIndex};

absl::Status CheckRange(std::string_view field, uint32_t value, uint32_t least, uint32_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return FieldError(field, Concat("is ", value, "; it takes ", least, " to ", most));
}

absl::Status CheckSentinels(const DriftSpec& spec) {
  if (spec.sentinels.size() > DriftSpec::kMaxSentinels)
    return FieldError("sentinels", Concat("has ", spec.sentinels.size(), " texts; the limit is ",
                                          DriftSpec::kMaxSentinels));
  for (size_t i = 0; i < spec.sentinels.size(); ++i) {
    const size_t bytes = spec.sentinels[i].size();
    if (bytes == 0 || bytes > DriftSpec::kMaxSentinelBytes)
      return FieldError(Concat("sentinels[", i, "]"),
                        Concat("has ", bytes, " bytes; it takes 1 to ", DriftSpec::kMaxSentinelBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TextOf(const RecordJson& json, const std::string& where) {
  if (!json.is_string())
    return absl::DataLossError(Concat("the monitor is damaged: ", where, " is no text"));
  return json.get<std::string>();
}

}  // namespace

std::string_view DriftKindName(DriftKind kind) {
  switch (kind) {
    case DriftKind::kQueries:
      return "queries";
    case DriftKind::kCorpus:
      return "corpus";
    case DriftKind::kEmbedder:
      return "embedder";
    case DriftKind::kIndex:
      return "index";
  }
  return "";
}

absl::StatusOr<DriftKind> ParseDriftKind(std::string_view text) {
  for (DriftKind kind : kKinds) {
    if (text == DriftKindName(kind)) return kind;
  }
  return FieldError("watch",
                    Concat("has '", Escape(text), "'; there are queries, corpus, embedder, index"));
}

bool DriftSpec::Watches(DriftKind kind) const {
  return std::find(watch.begin(), watch.end(), kind) != watch.end();
}

double DriftSpec::AlphaOf(DriftKind kind) const {
  // A change of bits is one: there is no chance in it.
  if (kind == DriftKind::kEmbedder || !Watches(kind)) return 0;
  return false_alarms / static_cast<double>(watch.size() - (Watches(DriftKind::kEmbedder) ? 1 : 0));
}

const std::vector<std::string>& DefaultSentinels() {
  static const auto& texts = *new std::vector<std::string>{
      "The quick brown fox jumps over the lazy dog.",
      "How do I reset my password?",
      "Water boils at one hundred degrees at sea level.",
      "The contract ends on the last day of March.",
      "A triangle with equal sides has equal angles.",
      "She sold her old car and bought a bicycle.",
      "Which medicine must not be taken with alcohol?",
      "The server returned error 503 after a timeout.",
      "Die Katze schläft auf dem warmen Ofen.",
      "El tren sale a las ocho de la mañana.",
      "La réunion est reportée à jeudi prochain.",
      "for (int i = 0; i < n; ++i) sum += values[i];",
      "Interest rates rose by half a percent in autumn.",
      "The bridge was closed for repairs in 1987.",
      "Please send the invoice to the address below.",
      "Light travels faster than sound."};
  return texts;
}

absl::Status CheckDrift(const DriftSpec& spec) {
  if (absl::Status status = SpecStore::CheckName(spec.name); !status.ok()) return status;
  if (spec.description.size() > 4'096)
    return FieldError("description",
                      Concat("has ", spec.description.size(), " bytes; the limit is 4096"));
  if (spec.collection.empty() == spec.pipeline.empty())
    return FieldError("the monitor", "takes a collection or a pipeline, one of the two");
  if (spec.pipeline.find('@') != std::string::npos)
    return FieldError("pipeline", Concat("is '", Escape(spec.pipeline),
                                         "'; it takes a name, whose versions all count"));
  if (spec.watch.empty())
    return FieldError("watch", "is missing: which of queries, corpus, embedder, index?");
  for (size_t i = 1; i < spec.watch.size(); ++i) {
    if (spec.watch[i - 1] >= spec.watch[i])
      return FieldError("watch", Concat("has ", DriftKindName(spec.watch[i]), " twice"));
  }
  if (!(spec.false_alarms >= 0.0001 && spec.false_alarms <= 0.2))
    return FieldError("false_alarms", Concat("is ", spec.false_alarms, "; it takes 0.0001 to 0.2"));
  if (!(spec.min_moved >= 0 && spec.min_moved < 1))
    return FieldError("min_moved", Concat("is ", spec.min_moved, "; it takes 0 to below 1"));
  if (!(spec.min_recall >= 0 && spec.min_recall < 1))
    return FieldError("min_recall", Concat("is ", spec.min_recall, "; it takes 0 to below 1"));
  for (const absl::Status& status :
       {CheckRange("window", spec.window, 30, 1'000),
        CheckRange("every_minutes", spec.every_minutes, 1, 10'080),
        CheckRange("on_alarm.cool_down_minutes", spec.cool_down_minutes, 1, 525'600),
        CheckSentinels(spec)}) {
    if (!status.ok()) return status;
  }
  if (spec.evaluate_pipeline.empty() != spec.evaluate_dataset.empty())
    return FieldError("on_alarm.evaluate", "takes a pipeline and a dataset, both");
  return absl::OkStatus();
}

std::string DriftToJson(const DriftSpec& spec) {
  RecordJson watch = RecordJson::array();
  for (DriftKind kind : spec.watch) watch.push_back(DriftKindName(kind));
  const RecordJson json = {{"format", 1},
                           {"name", spec.name},
                           {"description", spec.description},
                           {"collection", spec.collection},
                           {"pipeline", spec.pipeline},
                           {"field", spec.field},
                           {"watch", std::move(watch)},
                           {"false_alarms", spec.false_alarms},
                           {"window", spec.window},
                           {"min_moved", spec.min_moved},
                           {"min_recall", spec.min_recall},
                           {"sentinels", spec.sentinels},
                           {"every_minutes", spec.every_minutes},
                           {"evaluate_pipeline", spec.evaluate_pipeline},
                           {"evaluate_dataset", spec.evaluate_dataset},
                           {"reembed_with", spec.reembed_with},
                           {"cool_down_minutes", spec.cool_down_minutes}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<DriftSpec> DriftFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the monitor");
  DriftSpec spec;
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("name", &spec.name);
  reader.Take("description", &spec.description);
  reader.Take("collection", &spec.collection);
  reader.Take("pipeline", &spec.pipeline);
  reader.Take("field", &spec.field);
  reader.TakeList("watch", &spec.watch,
                  [](const RecordJson& item, const std::string& where) -> absl::StatusOr<DriftKind> {
                    const absl::StatusOr<std::string> name = TextOf(item, where);
                    if (!name.ok()) return name.status();
                    const absl::StatusOr<DriftKind> kind = ParseDriftKind(*name);
                    if (!kind.ok()) return absl::DataLossError(kind.status().message());
                    return *kind;
                  });
  reader.Take("false_alarms", &spec.false_alarms);
  reader.Take("window", &spec.window);
  reader.Take("min_moved", &spec.min_moved);
  reader.Take("min_recall", &spec.min_recall);
  reader.TakeList("sentinels", &spec.sentinels, TextOf);
  reader.Take("every_minutes", &spec.every_minutes);
  reader.Take("evaluate_pipeline", &spec.evaluate_pipeline);
  reader.Take("evaluate_dataset", &spec.evaluate_dataset);
  reader.Take("reembed_with", &spec.reembed_with);
  reader.Take("cool_down_minutes", &spec.cool_down_minutes);
  if (!reader.status().ok()) return reader.status();
  if (format != 1)
    return absl::FailedPreconditionError(
        Concat("the monitor has format ", format, "; this program reads 1"));
  if (absl::Status status = CheckDrift(spec); !status.ok())
    return absl::DataLossError(Concat("the monitor is damaged: ", ToStd(status.message())));
  return spec;
}

}  // namespace vouch
