#include "rag/export/bundle_audit.h"

#include <algorithm>
#include <string_view>

#include "rag/record_reader.h"

namespace vouch {
namespace {

std::string Dump(const RecordJson& json) {
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

RecordJson ParseState(const std::string& text) {
  RecordJson json = RecordJson::parse(text, nullptr, /*allow_exceptions=*/false);
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
  constexpr std::string_view kEvaluation = "evaluation/";
  if (change.action == "evaluation.finish" && change.subject.starts_with(kEvaluation))
    evaluations_.insert(change.subject.substr(kEvaluation.size()));
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
  promotions_.push_back(Dump({{"entry", entry.number},
                              {"time_us", change.time_us},
                              {"who", change.actor},
                              {"action", change.action},
                              {"alias", alias},
                              {"reason", change.reason},
                              {"before", before},
                              {"after", after}}));
}

std::vector<std::string> BundleAudit::Reviewers() const {
  std::vector<std::string> lines;
  for (const auto& [actor, actions] : reviewers_)
    lines.push_back(Dump({{"actor", actor}, {"entries", actions}}));
  return lines;
}

}  // namespace vouch
