#include "api/cli/schema_plan.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/cli/message_json.h"
#include "api/grpc/convert_alter.h"

namespace vouch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Json = nlohmann::ordered_json;

// A setting that a file gives another value than it has.
struct Difference {
  std::string name;  // "hnsw.m"
  std::string words;  // "hnsw.m 16 -> 32"
};

void AddDifferences(const Message& wanted, const Message& there, const std::string& path, std::vector<Difference>& found) {
  std::vector<const FieldDescriptor*> fields;
  wanted.GetReflection()->ListFields(wanted, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = absl::StrCat(path, path.empty() ? "" : ".", field->name());
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_repeated()) {
      AddDifferences(wanted.GetReflection()->GetMessage(wanted, field), there.GetReflection()->GetMessage(there, field), name, found);
      continue;
    }
    const auto json = [field](const Message& message) {
      const Json value = MessageToJson(message).value(field->name(), Json());
      return value.is_null() ? std::string("unset") : value.is_string() ? value.get<std::string>() : value.dump();
    };
    if (json(wanted) != json(there)) found.push_back({name, absl::StrCat(name, " ", json(there), " -> ", json(wanted))});
  }
}

std::vector<Difference> DifferencesOf(const Message& wanted, const Message& there) {
  std::vector<Difference> found;
  AddDifferences(wanted, there, "", found);
  return found;
}

std::string WordsOf(const std::vector<Difference>& differences) {
  std::string words;
  for (const Difference& difference : differences) absl::StrAppend(&words, words.empty() ? "" : ", ", difference.words);
  return words;
}

const std::string& NameOf(const v1::PayloadField& field) { return field.path(); }
template <class Field>
const std::string& NameOf(const Field& field) {
  return field.name();
}

class Planner {
 public:
  explicit Planner(bool drop_others) : drop_others_(drop_others) {}

  // `change(wanted, there, differences)` puts a difference into the request.
  template <class Fields, class Change>
  absl::Status PlanFields(std::string_view kind, const Fields& wanted, const Fields& there, Fields* add,
                          google::protobuf::RepeatedPtrField<std::string>* drop, const Change& change) {
    for (const auto& field : wanted) {
      const auto known = std::find_if(there.begin(), there.end(), [&](const auto& other) { return NameOf(other) == NameOf(field); });
      if (known == there.end()) {
        *add->Add() = field;
        Line('+', kind, NameOf(field), "");
        continue;
      }
      const std::vector<Difference> differences = DifferencesOf(field, *known);
      if (differences.empty()) continue;
      if (absl::Status status = change(field, *known, differences); !status.ok()) return status;
      Line('~', kind, NameOf(field), absl::StrCat(": ", WordsOf(differences)));
    }
    for (const auto& field : there) {
      const bool named = std::any_of(wanted.begin(), wanted.end(), [&](const auto& other) { return NameOf(other) == NameOf(field); });
      if (named) continue;
      if (drop_others_) *drop->Add() = NameOf(field);
      Line(drop_others_ ? '-' : '=', kind, NameOf(field), drop_others_ ? "" : ", which the file does not name, is left (--prune drops it)");
    }
    return absl::OkStatus();
  }

  void Line(char sign, std::string_view kind, const std::string& name, const std::string& rest) {
    plan_.changes = plan_.changes || sign != '=';
    absl::StrAppend(&plan_.lines, "    ", std::string(1, sign), " ", std::string(kind), name.empty() ? "" : " ", name, rest, "\n");
  }
  SchemaPlan& plan() { return plan_; }

 private:
  const bool drop_others_;
  SchemaPlan plan_;
};

absl::Status NotInPlace(std::string_view kind, const std::string& name, const Difference& difference) {
  return absl::FailedPreconditionError(absl::StrCat(
      std::string(kind), " field ", name, ": ", difference.words,
      ": vectors that are there cannot be made others in place; `vouch migrate` fills a second collection by another embedder, and a "
      "field of another name takes other vectors"));
}

absl::Status ChangeDense(const v1::DenseField& wanted, const std::vector<Difference>& differences, v1::AlterCollectionRequest& alter) {
  v1::DenseFieldChange& change = *alter.add_change_dense();
  change.set_name(wanted.name());
  for (const Difference& difference : differences) {
    if (difference.name == "index") {
      change.set_index(wanted.index());
    } else if (difference.name == "recall_target") {
      change.set_recall_target(wanted.recall_target());
    } else if (difference.name.starts_with("hnsw.")) {
      *change.mutable_hnsw() = wanted.hnsw();
    } else {
      return NotInPlace("dense", wanted.name(), difference);
    }
  }
  return absl::OkStatus();
}

// Its constants in place; else it is built anew, with what the file does not set as it was.
void ChangeText(const v1::TextField& wanted, const v1::TextField& there, const std::vector<Difference>& differences,
                v1::AlterCollectionRequest& alter) {
  const bool constants = std::all_of(differences.begin(), differences.end(),
                                     [](const Difference& difference) { return difference.name == "k1" || difference.name == "b"; });
  if (constants) {
    v1::TextFieldChange& change = *alter.add_change_text();
    change.set_name(wanted.name());
    if (wanted.has_k1()) change.set_k1(wanted.k1());
    if (wanted.has_b()) change.set_b(wanted.b());
    return;
  }
  alter.add_drop(wanted.name());
  v1::TextField& anew = *alter.mutable_add()->add_text();
  anew = wanted;
  if (wanted.paths().empty()) *anew.mutable_paths() = there.paths();
  if (wanted.language().empty()) anew.set_language(there.language());
  if (!wanted.has_k1()) anew.set_k1(there.k1());
  if (!wanted.has_b()) anew.set_b(there.b());
}

// By what they say, not by how: "720h" is "30d".
absl::Status PlanPolicies(const v1::Schema& wanted, const v1::Schema& there, Planner& planner) {
  v1::AlterCollectionRequest& alter = planner.plan().alter;
  if (wanted.has_retention()) {
    const absl::StatusOr<RetentionPolicy> policy = RetentionOf(wanted.retention());
    if (!policy.ok()) return policy.status();
    v1::Retention kept;
    FillRetention(*policy, &kept);
    if (MessageToJson(kept) != MessageToJson(there.retention())) {
      *alter.mutable_retention() = std::move(kept);
      planner.Line('~', "retention", "", "");
    }
  }
  if (wanted.has_ttl()) {
    const absl::StatusOr<TtlPolicy> policy = TtlOf(wanted.ttl());
    if (!policy.ok()) return policy.status();
    v1::Ttl kept;
    FillTtl(*policy, &kept);
    if (MessageToJson(kept) != MessageToJson(there.ttl())) {
      *alter.mutable_ttl() = std::move(kept);
      planner.Line('~', "ttl", "", "");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SchemaPlan> PlanSchema(const v1::Schema& wanted, const v1::Schema& there, bool drop_others) {
  Planner planner(drop_others);
  v1::AlterCollectionRequest& alter = planner.plan().alter;
  v1::Schema add;
  absl::Status status = planner.PlanFields(
      "dense", wanted.dense(), there.dense(), add.mutable_dense(), alter.mutable_drop(),
      [&](const v1::DenseField& field, const v1::DenseField&, const std::vector<Difference>& differences) {
        return ChangeDense(field, differences, alter);
      });
  if (!status.ok()) return status;
  status = planner.PlanFields("text", wanted.text(), there.text(), add.mutable_text(), alter.mutable_drop(),
                           [&](const v1::TextField& field, const v1::TextField& known, const std::vector<Difference>& differences) {
                             ChangeText(field, known, differences, alter);
                             return absl::OkStatus();
                           });
  if (!status.ok()) return status;
  const auto not_in_place = [](std::string_view kind) {
    return [kind](const auto& field, const auto&, const std::vector<Difference>& differences) {
      return NotInPlace(kind, NameOf(field), differences.front());
    };
  };
  status = planner.PlanFields("sparse", wanted.sparse(), there.sparse(), add.mutable_sparse(), alter.mutable_drop(), not_in_place("sparse"));
  if (!status.ok()) return status;
  status = planner.PlanFields("multi_vector", wanted.multi_vector(), there.multi_vector(), add.mutable_multi_vector(), alter.mutable_drop(),
                           not_in_place("multi_vector"));
  if (!status.ok()) return status;
  status = planner.PlanFields("payload", wanted.payload(), there.payload(), add.mutable_payload(), alter.mutable_drop_payload(),
                           [&](const v1::PayloadField& field, const v1::PayloadField&, const std::vector<Difference>&) {
                             alter.add_drop_payload(field.path());
                             *alter.mutable_add()->add_payload() = field;
                             return absl::OkStatus();
                           });
  if (!status.ok()) return status;
  if (status = PlanPolicies(wanted, there, planner); !status.ok()) return status;
  alter.mutable_add()->MergeFrom(add);
  return std::move(planner.plan());
}

}  // namespace vouch
