#include "rag/export/bundle_check.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "rag/answer.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"
#include "rag/export/bundle_audit.h"
#include "rag/export/bundle_format.h"
#include "rag/export/bundle_history.h"
#include "rag/export/tar.h"
#include "rag/feedback.h"
#include "rag/kept_answers.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/answer_chain.h"
#include "storage/audit_table.h"
#include "storage/sha256.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr std::string_view kArchive = "the archive";

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  return text;
}

class BundleCheck {
 public:
  explicit BundleCheck(const BundleExpectations& expected) : expected_(expected) {}

  BundleReport Run(std::string_view archive) {
    TarContent content = ReadTar(archive);
    for (std::string& problem : content.problems) Problem(kArchive, std::move(problem));
    for (const TarFile& file : content.files) {
      if (!files_.emplace(file.path, file.bytes).second) Problem(file.path, "stands in the archive twice");
    }
    report_.files = content.files.size();
    ReadManifest();
    CheckSums(content.files);
    if (!manifest_.is_object()) return std::move(report_);
    CheckPipelines();
    CheckContent(kBundleGates, "gate");
    CheckDatasets();
    CheckAnswers();
    CheckFeedback();
    CheckAudit();
    CheckCommits();
    return std::move(report_);
  }

 private:
  void Problem(std::string_view where, std::string what) {
    if (report_.problems.size() < BundleReport::kMaxProblems)
      report_.problems.push_back({.where = std::string(where), .what = std::move(what)});
  }

  // A file's bytes; empty where it is not there.
  std::string_view BytesOf(std::string_view path) const {
    const auto found = files_.find(std::string(path));
    return found == files_.end() ? std::string_view() : found->second;
  }

  // Calls `take` with each line of a file and where it stands.
  template <typename Take>
  void ForLines(const std::string& path, std::string_view bytes, Take take) {
    for (size_t number = 1; !bytes.empty(); ++number) {
      const size_t end = std::min(bytes.find('\n'), bytes.size());
      take(bytes.substr(0, end), Concat(path, ":", number));
      bytes.remove_prefix(std::min(end + 1, bytes.size()));
    }
  }
  // Likewise of all files whose names begin so, in the order of names, which is that of their numbers.
  template <typename Take>
  void ForLinesOfAll(std::string_view prefix, Take take) {
    for (auto file = files_.lower_bound(std::string(prefix)); file != files_.end() && file->first.starts_with(prefix);
         ++file) {
      ForLines(file->first, file->second, take);
    }
  }

  static RecordJson ParseObject(std::string_view text) {
    RecordJson json = ParseRecordJson(text);
    return json.is_object() ? std::move(json) : RecordJson::object();
  }
  static std::string TextAt(const RecordJson& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
  }
  template <typename Number>
  static Number NumberAt(const RecordJson& json, const char* key, Number otherwise) {
    const auto found = json.find(key);
    return found != json.end() && found->is_number_integer() ? found->get<Number>() : otherwise;
  }
  RecordJson PartOfManifest(const char* key) const {
    const auto found = manifest_.find(key);
    return found != manifest_.end() && found->is_object() ? *found : RecordJson::object();
  }

  void ReadManifest() {
    RecordJson json = ParseRecordJson(BytesOf(kBundleManifest));
    if (!json.is_object() || TextAt(json, "format") != kBundleFormat) {
      return Problem(kBundleManifest, files_.contains(std::string(kBundleManifest))
                                          ? Concat("is no manifest of the format ", kBundleFormat)
                                          : "is missing");
    }
    manifest_ = std::move(json);
    report_.tenant = TextAt(manifest_, "tenant");
    report_.from = TextAt(manifest_, "from");
    report_.to = TextAt(manifest_, "to");
    range_.from_us = NumberAt<int64_t>(manifest_, "from_us", range_.from_us);
    range_.to_us = NumberAt<int64_t>(manifest_, "to_us", range_.to_us);
  }

  // path → SHA-256, as the manifest says.
  std::map<std::string, std::string> SumsOfManifest() const {
    std::map<std::string, std::string> sums;
    const auto files = manifest_.is_object() ? manifest_.find("files") : manifest_.end();
    if (!manifest_.is_object() || files == manifest_.end()) return sums;
    for (const RecordJson& file : *files) {
      if (file.is_object()) sums[TextAt(file, "path")] = TextAt(file, "sha256");
    }
    return sums;
  }
  std::map<std::string, std::string> SumsOfSums() {
    std::map<std::string, std::string> sums;
    ForLines(std::string(kBundleSums), BytesOf(kBundleSums), [&](std::string_view line, const std::string& where) {
      const size_t space = line.find("  ");
      if (space == std::string_view::npos) return Problem(where, "is no line of sums");
      sums[std::string(line.substr(space + 2))] = line.substr(0, space);
    });
    return sums;
  }

  void CheckSums(const std::vector<TarFile>& files) {
    report_.seal = HexOf(Sha256Of(BytesOf(kBundleSums)));
    if (!files_.contains(std::string(kBundleSums))) Problem(kBundleSums, "is missing");
    if (!expected_.seal.empty() && expected_.seal != report_.seal)
      Problem(kBundleSums, Concat("its SHA-256 is ", report_.seal, ", and not the expected seal ", expected_.seal));
    std::map<std::string, std::string> by_sums = SumsOfSums();
    std::map<std::string, std::string> by_manifest = SumsOfManifest();
    std::string whole;
    for (const TarFile& file : files) {
      if (file.path == kBundleSums) continue;
      const std::string sum = HexOf(Sha256Of(file.bytes));
      whole += Concat(sum, "  ", file.path, "\n");
      const bool is_manifest = file.path == kBundleManifest;
      const auto in_sums = by_sums.extract(file.path);
      const auto in_manifest = by_manifest.extract(file.path);
      if (!in_sums && !in_manifest) {
        Problem(file.path, "was put in: neither the manifest nor SHA256SUMS names it");
      } else if ((!in_sums || in_sums.mapped() != sum) && (is_manifest || !in_manifest || in_manifest.mapped() != sum)) {
        Problem(file.path, Concat("was changed: its SHA-256 is ", sum, ", and was ",
                                  in_sums ? in_sums.mapped() : in_manifest.mapped(), " by ",
                                  in_sums ? kBundleSums : kBundleManifest));
      } else if (!in_sums || in_sums.mapped() != sum) {
        Problem(kBundleSums, Concat("was changed in the line of ", Escape(file.path)));
      } else if (!is_manifest && manifest_.is_object() && (!in_manifest || in_manifest.mapped() != sum)) {
        Problem(kBundleManifest, Concat("was changed in the entry of ", Escape(file.path)));
      }
    }
    std::set<std::string> missing;
    for (const auto* left : {&by_sums, &by_manifest})
      for (const auto& [path, sum] : *left) missing.insert(path);
    for (const std::string& path : missing) Problem(Escape(path), "is missing: it was removed, or has another name");
    if (report_.problems.empty() && whole != BytesOf(kBundleSums))
      Problem(kBundleSums, "was changed: it is not the list of the files in their order");
  }

  // Versions in lines with their canonical form and its hash.
  std::map<std::string, std::string> CheckContent(std::string_view path, const char* name) {
    std::map<std::string, std::string> hashes;
    ForLines(std::string(path), BytesOf(path), [&](std::string_view line, const std::string& where) {
      const RecordJson json = ParseObject(line);
      const std::string hash = TextAt(json, "hash");
      hashes[TextAt(json, name)] = hash;
      if (ContentHash(TextAt(json, "spec")) != hash)
        Problem(where, Concat(name, " ", Escape(TextAt(json, name)), " was changed: it does not have its hash"));
    });
    return hashes;
  }
  void CheckPipelines() { pipelines_ = CheckContent(kBundlePipelines, "pipeline"); }

  void CheckDatasets() {
    ForLines(std::string(kBundleDatasets), BytesOf(kBundleDatasets), [&](std::string_view line, const std::string& where) {
      const absl::StatusOr<DatasetInfo> info = DecodeDatasetInfo(line);
      if (!info.ok()) return Problem(where, std::string(info.status().message()));
      const std::string path = Concat(kBundleQuestions, info->hash, ".jsonl");
      const auto questions = files_.find(path);
      if (questions == files_.end()) return Problem(where, Concat("the questions of dataset ", Escape(info->name), " are missing"));
      if (ContentHash(questions->second) != info->hash) Problem(path, "was changed: it does not have the hash that names it");
    });
  }

  void CheckAnswers() {
    const RecordJson said = PartOfManifest("answers");
    const uint64_t tenant = NumberAt<uint64_t>(manifest_, "tenant_number", 0);
    std::map<std::string, std::pair<uint64_t, std::string>> without_record;  // id → number, where
    std::set<std::string> named;
    uint64_t first = 0;
    uint64_t last = 0;
    std::optional<Digest> previous;
    bool expected_seen = expected_.answer == 0;
    ForLinesOfAll(kBundleChain, [&](std::string_view line, const std::string& where) {
      const absl::StatusOr<BundleLink> link = DecodeBundleLink(line, tenant);
      if (!link.ok()) {
        previous.reset();
        return Problem(where, Concat("is no link: ", link.status().message()));
      }
      const AnswerLink& one = link->proof.link;
      ++report_.links;
      if (HashLink(TenantNumber(tenant), link->proof.id, one) != one.hash) {
        Problem(where, Concat("the link of answer ", Escape(link->proof.id), " was changed: its hash is another one"));
      } else if (last != 0 && one.number != last + 1) {
        Problem(where, Concat("link ", one.number, " follows link ", last, ": what was between them was removed"));
      } else if (previous && *previous != one.previous) {
        Problem(where, Concat("the link of answer ", Escape(link->proof.id), " does not follow the one before it"));
      }
      if (one.number == expected_.answer) {
        expected_seen = true;
        if (DigestText(one.hash) != expected_.answer_hash)
          Problem(where, Concat("link ", one.number, " has not the expected hash ", expected_.answer_hash));
      }
      if (first == 0) first = one.number;
      last = one.number;
      previous = one.hash;
      if (link->record.empty()) {
        without_record[link->proof.id] = {one.number, where};
        return;
      }
      without_record.erase(link->proof.id);
      named.insert(link->record);
      CheckRecord(*link, where);
    });
    for (const auto& [id, place] : without_record) {
      if (range_.Contains(TimeOfUuidV7(id)))
        Problem(place.second, Concat("answer ", Escape(id), " is of the range, and its record is not there"));
    }
    if (!expected_seen)
      Problem(kBundleChain, Concat("link ", expected_.answer, " is none of the range, so that its hash says nothing of it"));
    if (NumberAt<uint64_t>(said, "first", 0) != first)
      Problem(kBundleChain, "the chain does not begin with the link that the manifest names: what was before it was removed");
    const std::string head = previous ? DigestText(*previous) : "";
    if (NumberAt<uint64_t>(said, "last", 0) != last || TextAt(said, "head") != head)
      Problem(kBundleChain, "the chain does not end with the link that the manifest names");
    CheckUnnamed(named);
  }

  void CheckRecord(const BundleLink& link, const std::string& where) {
    const std::string& id = link.proof.id;
    const auto record = files_.find(link.record);
    if (record == files_.end()) return Problem(where, Concat("the record of answer ", Escape(id), " is missing"));
    AnswerSalts salts;
    if (!AnswerSalts::Decode(link.proof.salts, &salts))
      return Problem(where, Concat("the salts of answer ", Escape(id), " were changed"));
    const AnswerDigest digest = DigestAnswer(record->second, salts);
    if (digest.digest != link.proof.link.content) {
      return Problem(link.record, Concat("answer ", Escape(id), " was changed: its digest is another one than its link names"));
    }
    ++report_.answers;
    answers_.insert(id);
    if (digest.erased > 0) ++report_.erased;
    const absl::StatusOr<Answer> answer = AnswerFromJson(record->second);
    if (!answer.ok()) return Problem(link.record, std::string(answer.status().message()));
    if (answer->id != id) Problem(link.record, Concat("is the record of another answer than ", Escape(id)));
    const auto pipeline = pipelines_.find(answer->pipeline);
    if (!answer->pipeline.empty() && (pipeline == pipelines_.end() || pipeline->second != answer->pipeline_hash)) {
      Problem(kBundlePipelines, Concat("has not the version of ", Escape(answer->pipeline), " that gave answer ", Escape(id)));
    }
  }

  void CheckUnnamed(const std::set<std::string>& named) {
    const std::string unchained = Concat(kBundleAnswers, "unchained-");
    for (const auto& [path, bytes] : files_) {
      if (!path.starts_with(kBundleAnswers) || path.starts_with(kBundleChain) || named.contains(path)) continue;
      if (path.starts_with(unchained)) {
        ++report_.unchained;
        const absl::StatusOr<Answer> answer = AnswerFromJson(bytes);
        if (answer.ok()) {
          answers_.insert(answer->id);
        } else {
          Problem(path, std::string(answer.status().message()));
        }
      } else {
        Problem(path, "was put in: no link names it");
      }
    }
  }

  void CheckAudit() {
    const RecordJson said = PartOfManifest("audit");
    BundleAudit audit;
    std::string previous;
    uint64_t first = 0;
    uint64_t last = 0;
    bool expected_seen = expected_.entry == 0;
    ForLinesOfAll(kBundleAudit, [&](std::string_view line, const std::string& where) {
      const absl::StatusOr<AuditEntry> entry = DecodeBundleEntry(line);
      if (!entry.ok()) {
        previous.clear();
        return Problem(where, Concat("is no entry of the audit log: ", entry.status().message()));
      }
      ++report_.entries;
      const std::string kept = EncodeAuditEntry(*entry);
      const std::string hash = HexOf(std::string_view(kept).substr(kept.size() - kSha256Bytes));
      if (hash != entry->hash || entry->tenant != report_.tenant) {
        Problem(where, Concat("entry ", entry->number, " was changed: its hash is another one"));
      } else if (last != 0 && entry->number != last + 1) {
        Problem(where, Concat("entry ", entry->number, " follows entry ", last, ": what was between them was removed"));
      } else if (!previous.empty() && previous != entry->previous) {
        Problem(where, Concat("entry ", entry->number, " does not follow the one before it"));
      }
      if (entry->number == expected_.entry) {
        expected_seen = true;
        if (entry->hash != expected_.entry_hash)
          Problem(where, Concat("entry ", entry->number, " has not the expected hash ", expected_.entry_hash));
      }
      if (first == 0) first = entry->number;
      last = entry->number;
      previous = entry->hash;
      audit.Take(*entry);
    });
    CheckEvaluations(audit);
    if (NumberAt<uint64_t>(said, "first", 0) != first)
      Problem(kBundleAudit, "the audit log does not begin with the entry that the manifest names: what was before it was removed");
    if (!expected_seen)
      Problem(kBundleAudit, Concat("entry ", expected_.entry, " is none of the range, so that its hash says nothing of it"));
    if (NumberAt<uint64_t>(said, "last", 0) != last || TextAt(said, "head") != previous)
      Problem(kBundleAudit, "the audit log does not end with the entry that the manifest names");
    if (Joined(audit.promotions()) != BytesOf(kBundlePromotions)) Problem(kBundlePromotions, "is not what the audit log says");
    if (Joined(audit.Reviewers()) != BytesOf(kBundleReviewers)) Problem(kBundleReviewers, "is not what the audit log says");
  }

  // The figures of an evaluation are those of the last entry that speaks of it.
  void CheckEvaluations(const BundleAudit& audit) {
    for (const auto& [id, figures] : audit.figures()) {
      const std::string path = Concat("evaluations/", id, ".json");
      const auto found = files_.find(path);
      if (found == files_.end()) {
        Problem(Escape(path), Concat("is missing; entry ", figures.entry, " of the audit log speaks of it"));
        continue;
      }
      const absl::StatusOr<EvaluationRecord> record = DecodeEvaluation(found->second);
      if (!record.ok()) {
        Problem(path, std::string(record.status().message()));
      } else if (record->id != id) {
        Problem(path, "is the record of another evaluation");
      } else if (const uint64_t entry = audit.EntryAgainst(*record); entry != 0) {
        Problem(path, Concat("was changed: its figures are not those of entry ", entry, " of the audit log"));
      }
    }
  }

  void CheckCommits() {
    CommitHistory history;
    ForLinesOfAll(kBundleCommits, [&](std::string_view line, const std::string& where) {
      const absl::StatusOr<BundleCommit> commit = DecodeBundleCommit(line);
      if (!commit.ok()) return Problem(where, std::string(commit.status().message()));
      ++report_.commits;
      if (std::string wrong = history.Take(*commit); !wrong.empty()) Problem(where, std::move(wrong));
    });
    CheckCount(kBundleCommits, "commits", report_.commits);
  }

  void CheckFeedback() {
    FeedbackHistory history(answers_);
    ForLinesOfAll(kBundleFeedback, [&](std::string_view line, const std::string& where) {
      const absl::StatusOr<Feedback> feedback = FeedbackFromJson(line);
      if (!feedback.ok()) return Problem(where, std::string(feedback.status().message()));
      ++report_.feedback;
      if (std::string wrong = history.Take(*feedback); !wrong.empty()) Problem(where, std::move(wrong));
    });
    CheckCount(kBundleFeedback, "feedback", report_.feedback);
  }

  // Lines that nothing chains: what is missing at their end is missing in their number.
  void CheckCount(std::string_view where, const char* key, uint64_t lines) {
    const uint64_t said = NumberAt<uint64_t>(manifest_, key, 0);
    if (said != lines) Problem(where, Concat("has ", lines, " lines, and the manifest names ", said));
  }

  const BundleExpectations& expected_;
  BundleReport report_;
  std::map<std::string, std::string_view> files_;
  RecordJson manifest_;  // null: there is none
  TimeRange range_;
  std::map<std::string, std::string> pipelines_;  // "support@2" → hash
  std::set<std::string> answers_;                 // ids of the records
};

}  // namespace

BundleReport CheckBundle(std::string_view archive, const BundleExpectations& expected) {
  return BundleCheck(expected).Run(archive);
}

}  // namespace vouch
