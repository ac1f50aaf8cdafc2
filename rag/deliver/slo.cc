#include "rag/deliver/slo.h"

#include <cmath>

#include "rag/deliver/spec_store.h"
#include "rag/field_error.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

constexpr SloSignal kSloSignals[] = {SloSignal::kGrounding, SloSignal::kLatency, SloSignal::kCost,
                                  SloSignal::kAnswered};

}  // namespace

std::string_view SloSignalName(SloSignal signal) {
  switch (signal) {
    case SloSignal::kGrounding:
      return "grounding";
    case SloSignal::kLatency:
      return "latency_ms";
    case SloSignal::kCost:
      return "cost";
    case SloSignal::kAnswered:
      return "answered";
  }
  return "";
}

absl::StatusOr<SloSignal> ParseSloSignal(std::string_view text) {
  for (SloSignal signal : kSloSignals) {
    if (text == SloSignalName(signal)) return signal;
  }
  return FieldError("signal",
                    Concat("is '", Escape(text), "'; it takes grounding, latency_ms, cost, answered"));
}

absl::Status CheckSlo(const SloSpec& spec) {
  if (absl::Status status = SpecStore::CheckName(spec.name); !status.ok()) return status;
  if (spec.description.size() > 4'096)
    return FieldError("description",
                      Concat("has ", spec.description.size(), " bytes; the limit is 4096"));
  if (spec.pipeline.empty()) return FieldError("pipeline", "is missing");
  if (spec.alias.empty()) return FieldError("alias", "is missing");
  if (!(spec.objective > 0 && spec.objective < 1)) {
    return FieldError("objective", Concat("is ", spec.objective,
                                          "; it lies between 0 and 1, as 0.95 of the answers"));
  }
  if (spec.period_days < 1 || spec.period_days > 90)
    return FieldError("period_days", Concat("is ", spec.period_days, "; it takes 1 to 90"));
  if (spec.min_events < 1 || spec.min_events > 1'000'000)
    return FieldError("min_events", Concat("is ", spec.min_events, "; it takes 1 to 1000000"));
  if (!(spec.limit >= 0) || !std::isfinite(spec.limit))
    return FieldError("limit", Concat("is ", spec.limit, "; it is not negative"));
  if (spec.signal == SloSignal::kGrounding && spec.limit > 1)
    return FieldError("limit", Concat("is ", spec.limit, "; of grounding it takes 0 to 1"));
  if (spec.signal == SloSignal::kLatency && spec.limit == 0)
    return FieldError("limit", "is missing: how many ms may an answer take?");
  if (spec.signal == SloSignal::kAnswered && spec.limit != 0)
    return FieldError("limit", "is of no use to answered; leave it out");
  return absl::OkStatus();
}

std::string SloToJson(const SloSpec& spec) {
  const RecordJson json = {{"format", 1},
                           {"name", spec.name},
                           {"description", spec.description},
                           {"pipeline", spec.pipeline},
                           {"alias", spec.alias},
                           {"signal", SloSignalName(spec.signal)},
                           {"limit", spec.limit},
                           {"objective", spec.objective},
                           {"period_days", spec.period_days},
                           {"min_events", spec.min_events}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<SloSpec> SloFromJson(std::string_view text) {
  const RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordReader reader(json, "", "the SLO");
  SloSpec spec;
  uint64_t format = 0;
  std::string signal;
  reader.Take("format", &format);
  reader.Take("name", &spec.name);
  reader.Take("description", &spec.description);
  reader.Take("pipeline", &spec.pipeline);
  reader.Take("alias", &spec.alias);
  reader.Take("signal", &signal);
  reader.Take("limit", &spec.limit);
  reader.Take("objective", &spec.objective);
  reader.Take("period_days", &spec.period_days);
  reader.Take("min_events", &spec.min_events);
  if (!reader.status().ok()) return reader.status();
  if (format != 1)
    return absl::FailedPreconditionError(
        Concat("the SLO has format ", format, "; this program reads 1"));
  const absl::StatusOr<SloSignal> parsed = ParseSloSignal(signal);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  spec.signal = *parsed;
  return spec;
}

}  // namespace vouch
