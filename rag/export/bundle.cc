#include "rag/export/bundle.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "rag/answer.h"
#include "rag/deliver/promoter.h"
#include "rag/deliver/spec_store.h"
#include "rag/eval/dataset_store.h"
#include "rag/eval/evaluation_record.h"
#include "rag/export/bundle_audit.h"
#include "rag/export/bundle_files.h"
#include "rag/export/bundle_format.h"
#include "rag/export/bundle_history.h"
#include "rag/feedback.h"
#include "rag/forget/forget.h"
#include "rag/pipeline_store.h"
#include "rag/record_reader.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

constexpr size_t kMaxEvaluations = 1'000'000;

constexpr char kReadme[] =
    "What this archive is\n"
    "--------------------\n"
    "Answers that a VouchDB store gave in a range of time, and what vouches for them.\n"
    "manifest.json says which range, and lists every file with its SHA-256.\n"
    "\n"
    "  answers/N.json         an answer's record; N is its place in the chain of answers\n"
    "  answers/chain-N.jsonl  the links of that chain, a line each\n"
    "  feedback/N.jsonl       what people said of these answers\n"
    "  audit/N.jsonl          entries of the audit log, a line each: who changed what, when and why\n"
    "  promotions.jsonl       of these, what moved or was to move an alias, with the evidence\n"
    "  reviewers.jsonl        who did what, by the numbers of the entries\n"
    "  commits/N.jsonl        who wrote and retired how many rows of which collection when, by version\n"
    "  pipelines.jsonl        the pipeline versions that gave the answers, or were judged\n"
    "  gates.jsonl            the gates by which they were judged\n"
    "  evaluations/           evaluations and what came of each question\n"
    "  datasets.jsonl         the datasets of these; their questions lie in datasets/\n"
    "  forgotten.jsonl        sources that were forgotten since the range began\n"
    "\n"
    "Without any program of ours: `sha256sum -c SHA256SUMS` checks all files.\n"
    "With it, and without a store: `vouch audit verify --bundle FILE` checks the chains as well.\n"
    "A text that was erased from a record is {\"erased\":\"HASH\"} in its place.\n";

RecordJson TimeToJson(int64_t time_us) {
  if (time_us == TimeRange().to_us) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

struct WrittenRecord {
  std::string id = {};
  std::string hash = {};  // SHA-256 of its bytes
};

// Writes one bundle. What a part names goes into the sets from which later parts are written.
class BundleMaker {
 public:
  BundleMaker(Database& database, const BundleRequest& request, const TarWriter::Sink& sink)
      : database_(database), store_(database.store()), request_(request), tenant_(request.principal.tenant), files_(sink) {}

  absl::StatusOr<BundleSummary> Write() {
    if (absl::Status status = files_.Add(kBundleReadme, kReadme); !status.ok()) return status;
    using Step = absl::Status (BundleMaker::*)();
    for (const Step step : {&BundleMaker::AddAnswers, &BundleMaker::AddChain, &BundleMaker::AddFeedback,
                            &BundleMaker::AddAudit, &BundleMaker::AddCommits, &BundleMaker::AddEvaluations,
                            &BundleMaker::AddPipelines, &BundleMaker::AddGates,
                            &BundleMaker::AddDatasets, &BundleMaker::AddForgotten}) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    if (absl::Status status = files_.Finish(Manifest(), &summary_.seal); !status.ok()) return status;
    summary_.files = files_.count();
    summary_.bytes = files_.bytes();
    return summary_;
  }

 private:
  // Records by their numbers, and the range of these.
  absl::Status AddAnswers() {
    const auto answers = AnswersBetween(store_, tenant_, request_.range, kMaxBundleAnswers, request_.cancel);
    if (!answers.ok()) return answers.status();
    std::vector<std::string> unchained;
    for (const KeptAnswer& answer : *answers) {
      const auto link = AnswerRecords::Of(store_).GetAnswerLink(tenant_, answer.id);
      if (!link.ok()) return link.status();
      if (link->has_value()) {
        records_[(*link)->number].id = answer.id;
      } else {
        unchained.push_back(answer.id);
      }
    }
    for (auto& [number, record] : records_) {
      if (absl::Status status = AddRecord(record.id, BundleAnswerPath(number), &record.hash); !status.ok()) return status;
    }
    unchained_ = unchained.size();
    for (size_t i = 0; i < unchained.size(); ++i) {
      const std::string path = Concat(kBundleAnswers, "unchained-", BundleNumber(i + 1), ".json");
      if (absl::Status status = AddRecord(unchained[i], path, nullptr); !status.ok()) return status;
    }
    summary_.answers = answers->size();
    return absl::OkStatus();
  }

  // `hash`: of the record as it was written; may be null.
  absl::Status AddRecord(const std::string& id, const std::string& path, std::string* hash) {
    if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
    const absl::StatusOr<std::string> record = store_.GetAnswer(tenant_, id);
    if (!record.ok()) return record.status();
    const absl::StatusOr<Answer> answer = AnswerFromJson(*record);
    if (!answer.ok()) return answer.status();
    if (!answer->pipeline.empty()) pipelines_.insert(answer->pipeline);
    answers_.insert(id);
    const auto [oldest, fresh] = asked_at_.emplace(answer->collection, answer->version);
    if (!fresh) oldest->second = std::min(oldest->second, answer->version);
    if (hash != nullptr) *hash = Sha256Of(*record);
    return files_.Add(path, *record);
  }

  // From the first record's link to the last one's, those of other answers between them, too: else the chain would have gaps.
  absl::Status AddChain() {
    if (records_.empty()) return absl::OkStatus();
    first_link_ = records_.begin()->first;
    last_link_ = records_.rbegin()->first;
    BundleLines lines(kBundleChain, files_);
    absl::Status status;
    const absl::Status scanned =
        AnswerRecords::Of(store_).ScanAnswerLinks(tenant_, first_link_, [&](AnswerProof&& proof) {
          const uint64_t number = proof.link.number;
          if (number > last_link_) return false;
          tenant_number_ = proof.tenant;
          chain_head_ = DigestText(proof.link.hash);
          BundleLink link{.proof = std::move(proof)};
          if (const auto record = records_.find(number); record != records_.end()) {
            link.record = BundleAnswerPath(number);
            status = CheckUnchanged(record->second);
          }
          if (status.ok()) status = lines.Add(number, EncodeBundleLink(link));
          return status.ok();
        });
    if (!status.ok()) return status;
    if (!scanned.ok()) return scanned;
    return lines.Flush();
  }

  // A link's salts are those of now: with a record from before an erasure they give another digest.
  absl::Status CheckUnchanged(const WrittenRecord& record) const {
    const absl::StatusOr<std::string> now = store_.GetAnswer(tenant_, record.id);
    if (!now.ok()) return now.status();
    if (Sha256Of(*now) == record.hash) return absl::OkStatus();
    return absl::AbortedError(Concat("a text of answer ", record.id, " was erased while the bundle was written; export again"));
  }

  absl::Status AddFeedback() {
    const FeedbackStore store(store_, database_.clock());
    BundleLines lines(kBundleFeedback, files_);
    for (const std::string& answer : answers_) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      const auto all = store.List(tenant_, answer);
      if (!all.ok()) return all.status();
      for (const Feedback& feedback : *all) {
        if (absl::Status status = lines.Add(++summary_.feedback, FeedbackToJson(feedback)); !status.ok()) return status;
      }
    }
    return lines.Flush();
  }

  // Of each collection those of the range, from the oldest version that an answer was asked at.
  absl::Status AddCommits() {
    const auto collections = database_.ListCollections(request_.principal);
    if (!collections.ok()) return collections.status();
    std::set<std::string> names;
    for (const CollectionInfo& info : *collections) names.insert(info.name);
    BundleLines lines(kBundleCommits, files_);
    for (const std::string& name : names) {
      const auto collection = database_.GetCollection(request_.principal, name);
      if (absl::IsNotFound(collection.status())) continue;  // dropped meanwhile
      if (!collection.ok()) return collection.status();
      std::optional<std::pair<uint64_t, uint64_t>> needed;  // the first and the last version
      const auto need = [&needed](uint64_t version) {
        if (!needed) needed.emplace(version, version);
        needed->first = std::min(needed->first, version);
        needed->second = std::max(needed->second, version);
      };
      const auto latest = (*collection)->Resolve({});
      if (!latest.ok()) return latest.status();
      // A collection that was dropped and made anew may have had more versions before.
      const auto asked = asked_at_.find(name);
      if (asked != asked_at_.end() && asked->second.value >= 1 && asked->second <= *latest) need(asked->second.value);
      absl::Status status = ForCommits(**collection, 1, latest->value, [&](const CommitHeader& header) {
        if (request_.range.Contains(header.time_us)) need(header.version.value);
        return absl::OkStatus();
      });
      if (!status.ok()) return status;
      if (!needed) continue;
      status = ForCommits(**collection, needed->first, needed->second, [&](const CommitHeader& header) {
        return lines.Add(++summary_.commits, EncodeBundleCommit(BundleCommitOf(name, header)));
      });
      if (!status.ok()) return status;
    }
    return lines.Flush();
  }

  absl::Status ForCommits(const Collection& collection, uint64_t first, uint64_t last,
                          const std::function<absl::Status(const CommitHeader&)>& visit) const {
    constexpr uint64_t kPage = 100;  // a header may name a million rows
    for (; first <= last; first += kPage) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      const auto headers = collection.Versions(Version(first), Version(std::min(first + kPage - 1, last)), kPage);
      if (!headers.ok()) return headers.status();
      for (const CommitHeader& header : *headers) {
        if (absl::Status status = visit(header); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  // Entries of the range, and those of other times between them: the clock may have jumped. Where an evaluation of them was judged
  // later, they go on to that: its record has the figures of then.
  absl::Status AddAudit() {
    const Journal& journal = Journal::Of(store_);
    if (absl::Status status = FindEntries(journal); !status.ok()) return status;
    if (first_entry_ == 0) return absl::OkStatus();
    BundleLines lines(kBundleAudit, files_);
    absl::Status status;
    const absl::Status scanned = journal.ScanAudit(tenant_, first_entry_, [&](AuditEntry&& entry) {
      if (entry.number > last_entry_) return false;
      ++summary_.entries;
      audit_head_ = entry.hash;
      audit_.Take(entry);
      status = lines.Add(entry.number, EncodeBundleEntry(entry));
      return status.ok();
    });
    if (!status.ok()) return status;
    if (!scanned.ok()) return scanned;
    if (absl::Status flushed = lines.Flush(); !flushed.ok()) return flushed;
    if (absl::Status added = files_.AddLines(kBundlePromotions, audit_.promotions()); !added.ok()) return added;
    pipelines_.insert(audit_.pipelines().begin(), audit_.pipelines().end());
    datasets_ = audit_.datasets();
    return files_.AddLines(kBundleReviewers, audit_.Reviewers());
  }

  absl::Status FindEntries(const Journal& journal) {
    absl::Status status;
    std::vector<std::pair<uint64_t, std::string>> figures;  // numbers of entries, and the evaluations that they have figures of
    const absl::Status scanned = journal.ScanAudit(tenant_, 1, [&](AuditEntry&& entry) {
      status = request_.cancel.Check();
      if (std::string evaluation = BundleAudit::EvaluationOf(entry); !evaluation.empty())
        figures.emplace_back(entry.number, std::move(evaluation));
      if (request_.range.Contains(entry.change.time_us)) {
        if (first_entry_ == 0) first_entry_ = entry.number;
        last_entry_ = entry.number;
      }
      return status.ok();
    });
    if (!status.ok()) return status;
    if (!scanned.ok()) return scanned;
    if (first_entry_ == 0) return absl::OkStatus();
    for (uint64_t end = 0; end != last_entry_;) {
      end = last_entry_;
      std::set<std::string> named;
      for (const auto& [number, evaluation] : figures) {
        if (number < first_entry_) continue;
        if (number <= end) {
          named.insert(evaluation);
        } else if (named.contains(evaluation)) {
          last_entry_ = number;
        }
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddEvaluations() {
    const EvaluationStore store(EvaluationRecords::Of(store_), tenant_);
    const auto all = store.List(kMaxEvaluations);
    if (!all.ok()) return all.status();
    std::map<std::string, const EvaluationRecord*> chosen;
    for (const EvaluationRecord& record : *all) {
      const int64_t time_us = record.finished ? record.finished_us : record.created_us;
      if (request_.range.Contains(time_us) || audit_.evaluations().contains(record.id)) chosen[record.id] = &record;
    }
    for (const auto& [id, record] : chosen) {
      if (absl::Status status = request_.cancel.Check(); !status.ok()) return status;
      if (audit_.EntryAgainst(*record) != 0)
        return absl::AbortedError(Concat("evaluation ", id, " was judged while the bundle was written; export again"));
      if (!record->pipeline.empty()) pipelines_.insert(record->pipeline);
      datasets_.insert(Concat(record->dataset, "@", record->dataset_version));
      const auto results = store.Results(id);
      if (!results.ok()) return results.status();
      std::vector<std::string> lines;
      for (const QuestionResult& result : *results) lines.push_back(EncodeQuestionResult(result));
      const std::string path = Concat("evaluations/", id);
      if (absl::Status status = files_.Add(path + ".json", EncodeEvaluation(*record)); !status.ok()) return status;
      if (absl::Status status = files_.AddLines(path + ".results.jsonl", lines); !status.ok()) return status;
    }
    summary_.evaluations = chosen.size();
    return absl::OkStatus();
  }

  absl::Status AddPipelines() {
    const PipelineStore store(store_, database_.clock());
    std::vector<std::string> lines;
    for (const std::string& name : pipelines_) {
      const auto version = store.Get(tenant_, name);
      if (absl::IsNotFound(version.status())) continue;  // a promotion of a version that is not there was refused
      if (!version.ok()) return version.status();
      lines.push_back(DumpRecord({{"pipeline", name},
                                  {"hash", (*version)->hash},
                                  {"created", TimeToJson((*version)->created_us)},
                                  {"spec", PipelineToJson((*version)->spec)}}));
    }
    return files_.AddLines(kBundlePipelines, lines);
  }

  absl::Status AddGates() {
    const SpecStore store(store_, database_.clock(), Promoter::kGateKind);
    std::vector<std::string> lines;
    for (const std::string& name : audit_.gates()) {
      if (name.find('@') == std::string::npos) continue;  // error budgets and hooks: the entry has all of them
      const auto version = store.Get(tenant_, name);
      if (!version.ok()) return version.status();
      lines.push_back(DumpRecord({{"gate", name},
                                  {"hash", version->hash},
                                  {"created", TimeToJson(version->created_us)},
                                  {"spec", version->canonical}}));
    }
    return files_.AddLines(kBundleGates, lines);
  }

  absl::Status AddDatasets() {
    const DatasetStore store(EvaluationRecords::Of(store_), tenant_);
    std::vector<std::string> lines;
    std::set<std::string> written;
    for (const std::string& name : datasets_) {
      const auto ref = ParseDatasetRef(name);
      if (!ref.ok()) return ref.status();
      const auto dataset = store.Get(*ref);
      if (absl::IsNotFound(dataset.status())) continue;  // a gate that named one that was never there
      if (!dataset.ok()) return dataset.status();
      lines.push_back(EncodeDatasetInfo(dataset->info));
      if (!written.insert(dataset->info.hash).second) continue;
      const std::string path = Concat(kBundleQuestions, dataset->info.hash, ".jsonl");
      if (absl::Status status = files_.Add(path, EncodeQuestions(dataset->questions)); !status.ok()) return status;
    }
    return files_.AddLines(kBundleDatasets, lines);
  }

  absl::Status AddForgotten() {
    const auto collections = database_.ListCollections(request_.principal);
    if (!collections.ok()) return collections.status();
    std::map<std::pair<std::string, std::string>, std::string> lines;  // by collection and document
    for (const CollectionInfo& info : *collections) {
      const auto records = ListForgotten(database_, request_.principal, info.name);
      if (!records.ok()) return records.status();
      for (const ForgetRecord& record : *records) {
        if (record.started_us < request_.range.from_us) continue;
        const RecordJson json = RecordJson::parse(EncodeForgetRecord(record));
        lines[{info.name, record.document}] = DumpRecord({{"collection", info.name}, {"forgotten", json}});
      }
    }
    std::vector<std::string> sorted;
    for (auto& [key, line] : lines) sorted.push_back(std::move(line));
    return files_.AddLines("forgotten.jsonl", sorted);
  }

  RecordJson Manifest() const {
    return {{"format", kBundleFormat},
            {"program", VOUCH_VERSION},
            {"tenant", tenant_},
            {"tenant_number", tenant_number_},
            {"from", TimeToJson(request_.range.from_us)},
            {"to", TimeToJson(request_.range.to_us)},
            {"from_us", request_.range.from_us},
            {"to_us", request_.range.to_us},
            {"answers",
             {{"records", summary_.answers},
              {"unchained", unchained_},
              {"first", first_link_},
              {"last", last_link_},
              {"head", chain_head_}}},
            {"audit",
             {{"entries", summary_.entries}, {"first", first_entry_}, {"last", last_entry_}, {"head", audit_head_}}},
            {"commits", summary_.commits},
            {"feedback", summary_.feedback},
            {"evaluations", summary_.evaluations}};
  }

  Database& database_;
  Store& store_;
  const BundleRequest& request_;
  const std::string tenant_;
  BundleFiles files_;
  BundleSummary summary_;
  std::map<uint64_t, WrittenRecord> records_;  // by the number of the link
  std::set<std::string> answers_;              // ids of all that were written
  std::map<std::string, Version> asked_at_;    // collection → the oldest version that one of them was asked at
  uint64_t unchained_ = 0;
  uint64_t tenant_number_ = 0;
  uint64_t first_link_ = 0;  // 0: none
  uint64_t last_link_ = 0;
  std::string chain_head_;
  uint64_t first_entry_ = 0;  // 0: none
  uint64_t last_entry_ = 0;
  std::string audit_head_;
  BundleAudit audit_;
  // Named so far.
  std::set<std::string> pipelines_;
  std::set<std::string> datasets_;
};

}  // namespace

absl::StatusOr<BundleSummary> WriteBundle(Database& database, const BundleRequest& request,
                                          const TarWriter::Sink& sink) {
  return BundleMaker(database, request, sink).Write();
}

}  // namespace vouch
