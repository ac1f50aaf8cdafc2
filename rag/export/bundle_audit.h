#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "rag/eval/evaluation_record.h"
#include "storage/journal.h"

namespace vouch {

// What a bundle says of the audit log beside its entries, reckoned from these alone: so that who checks a bundle can reckon it
// again.
class BundleAudit {
 public:
  void Take(const AuditEntry& entry);

  // What moved an alias or was to move one, with the evidence; a line each.
  const std::vector<std::string>& promotions() const { return promotions_; }
  // Where the last entry of an evaluation (that it finished, or was judged) has other figures than its record, the entry's number: each
  // change of figures has an entry. 0: it has the same, or no entry speaks of it.
  uint64_t EntryAgainst(const EvaluationRecord& record) const;
  // By id, the last entry that has figures of an evaluation.
  struct Figures {
    uint64_t entry = 0;
    std::string after = {};
  };
  const std::map<std::string, Figures>& figures() const { return figures_; }
  // The evaluation that an entry has figures of; empty: of none.
  static std::string EvaluationOf(const AuditEntry& entry);

  // Who did what, by the numbers of the entries; a line each, by name.
  std::vector<std::string> Reviewers() const;

  // What the evidence names: "support@2", "quality@1", ids, "set@1".
  const std::set<std::string>& pipelines() const { return pipelines_; }
  const std::set<std::string>& gates() const { return gates_; }
  const std::set<std::string>& evaluations() const { return evaluations_; }
  const std::set<std::string>& datasets() const { return datasets_; }

 private:
  std::map<std::string, std::map<std::string, std::vector<uint64_t>>> reviewers_;  // actor → action → entries
  std::map<std::string, Figures> figures_;
  std::vector<std::string> promotions_;
  std::set<std::string> pipelines_;
  std::set<std::string> gates_;
  std::set<std::string> evaluations_;
  std::set<std::string> datasets_;
};

}  // namespace vouch
