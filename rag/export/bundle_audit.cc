#include "rag/export/bundle_audit.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "rag/record_parse.h"
#include "rag/record_reader.h"

namespace vouch {
namespace {

RecordJson ParseState(const std::string& text) {
  RecordJson json = ParseRecordJson(text);
  return json.is_discarded() ? RecordJson(nullptr) : json;
}

void TakeName(const RecordJson& gate, const char* key, std::set<std::string>* names) {
  const auto found = gate.find(key);
  if (found != gate.end() && found->is_string() && !found->get_ref<const std::string&>().empty())
    names->insert(found->get<std::string>());
}

}  // namespace

void BundleAudit::Take(const AuditEntry& entry) {
  const AuditDraft& change = entry.change;
  reviewers_[change.actor][change.action].push_back(entry.number);
  if (std::string evaluation = EvaluationOf(entry); !evaluation.empty()) {
    evaluations_.insert(evaluation);
    figures_[std::move(evaluation)] = {.entry = entry.number, .after = change.after};
  }
  if (!change.action.starts_with("promote") && !change.action.starts_with("rollback")) return;
  const std::string_view subject = change.subject;  // "pipeline/support@champion"
  const std::string alias(subject.substr(std::min(subject.size(), subject.find('/') + 1)));
  const RecordJson before = ParseState(change.before);
  const RecordJson after = ParseState(change.after);
  for (const RecordJson* state : {&before, &after}) {
    const auto number = state->is_object() ? state->find("number") : state->end();
    if (state->is_object() && number != state->end() && number->is_number_unsigned() && *number > 0u)
      pipelines_.insert(Concat(alias.substr(0, alias.find('@')), "@", number->get<uint64_t>()));
  }
  if (after.is_object() && after.contains("gates")) {
    for (const RecordJson& gate : after["gates"]) {
      if (!gate.is_object()) continue;
      TakeName(gate, "gate", &gates_);
      TakeName(gate, "evaluation", &evaluations_);
      TakeName(gate, "champion_evaluation", &evaluations_);
      TakeName(gate, "dataset", &datasets_);
    }
  }
  promotions_.push_back(DumpRecord({{"entry", entry.number},
                                    {"time_us", change.time_us},
                                    {"who", change.actor},
                                    {"action", change.action},
                                    {"alias", alias},
                                    {"reason", change.reason},
                                    {"before", before},
                                    {"after", after}}));
}

std::string BundleAudit::EvaluationOf(const AuditEntry& entry) {
  constexpr std::string_view kEvaluation = "evaluation/";
  const AuditDraft& change = entry.change;
  const bool figures = change.action == "evaluation.finish" || change.action == "evaluation.judge";
  return figures && change.subject.starts_with(kEvaluation) ? change.subject.substr(kEvaluation.size()) : "";
}

uint64_t BundleAudit::EntryAgainst(const EvaluationRecord& record) const {
  const auto found = figures_.find(record.id);
  if (found == figures_.end()) return 0;
  const RecordJson after = ParseState(found->second.after);
  const auto hash = after.is_object() ? after.find("pipeline_hash") : after.end();
  if (!after.is_object() || hash == after.end() || !hash->is_string()) return found->second.entry;
  if (hash->get_ref<const std::string&>() != record.pipeline_hash) return found->second.entry;
  const auto metrics = after.find("metrics");
  if (metrics == after.end() || !metrics->is_object()) return found->second.entry;
  size_t same = 0;
  for (const MetricSummary& metric : record.metrics) {
    const auto figure = metrics->find(metric.name);
    if (figure == metrics->end() && !std::isfinite(metric.mean)) continue;
    if (figure == metrics->end() || !figure->is_number() || figure->get<double>() != metric.mean) return found->second.entry;
    ++same;
  }
  return same == metrics->size() ? 0 : found->second.entry;
}

std::vector<std::string> BundleAudit::Reviewers() const {
  std::vector<std::string> lines;
  for (const auto& [actor, actions] : reviewers_)
    lines.push_back(DumpRecord({{"actor", actor}, {"entries", actions}}));
  return lines;
}

}  // namespace vouch
