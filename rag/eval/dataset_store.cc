#include "rag/eval/dataset_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/concat.h"
#include "storage/name.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr int kMaxPuts = 100;  // imports of one name that may win over this one

std::string VersionKey(std::string_view name, uint32_t version) {
  return Concat("dataset/", name, "/", absl::StrFormat("%08u", version));
}
std::string ContentKey(std::string_view hash) { return Concat("content/", hash); }

DatasetInfo Summarize(const std::vector<DatasetQuestion>& questions) {
  DatasetInfo info;
  std::set<std::string> tags;
  for (const DatasetQuestion& question : questions) {
    const bool judged =
        std::any_of(question.documents.begin(), question.documents.end(),
                    [](const auto& document) { return document.second > 0; }) ||
        std::any_of(question.passages.begin(), question.passages.end(),
                    [](const PassageJudgement& passage) { return passage.level > 0; });
    ++info.questions;
    info.judged += judged ? 1 : 0;
    info.referenced += question.references.empty() ? 0 : 1;
    info.unanswerable += question.unanswerable ? 1 : 0;
    info.judgements += question.documents.size() + question.passages.size();
    tags.insert(question.tags.begin(), question.tags.end());
  }
  info.tags.assign(tags.begin(), tags.end());
  return info;
}

}  // namespace

absl::StatusOr<DatasetRef> ParseDatasetRef(std::string_view text) {
  DatasetRef ref;
  const size_t at = text.find('@');
  ref.name = std::string(text.substr(0, at));
  if (absl::Status status = CheckName("dataset", ref.name); !status.ok()) return status;
  if (at == std::string_view::npos) return ref;
  std::string_view version = text.substr(at + 1);
  if (version.starts_with('v')) version.remove_prefix(1);
  if (!absl::SimpleAtoi(ToAbsl(version), &ref.version) || ref.version == 0) {
    return absl::InvalidArgumentError(Concat("dataset \"", Escape(text), "\": \"",
                                             Escape(version),
                                             "\" is no version; write NAME or NAME@3"));
  }
  return ref;
}

std::string EncodeDatasetInfo(const DatasetInfo& info) {
  const RecordJson json = {{"format", 1},
                           {"name", info.name},
                           {"version", info.version},
                           {"hash", info.hash},
                           {"source", info.source},
                           {"created_us", info.created_us},
                           {"questions", info.questions},
                           {"judged", info.judged},
                           {"referenced", info.referenced},
                           {"unanswerable", info.unanswerable},
                           {"judgements", info.judgements},
                           {"tags", info.tags}};
  return json.dump(-1, ' ', false, RecordJson::error_handler_t::replace);
}

absl::StatusOr<DatasetInfo> DecodeDatasetInfo(std::string_view json) {
  const RecordJson parsed = ParseRecordJson(json);
  DatasetInfo info;
  RecordReader reader(parsed, "dataset ");
  uint64_t format = 0;
  reader.Take("format", &format);
  reader.Take("name", &info.name);
  reader.Take("version", &info.version);
  reader.Take("hash", &info.hash);
  reader.Take("source", &info.source);
  reader.Take("created_us", &info.created_us);
  reader.Take("questions", &info.questions);
  reader.Take("judged", &info.judged);
  reader.Take("referenced", &info.referenced);
  reader.Take("unanswerable", &info.unanswerable);
  reader.Take("judgements", &info.judgements);
  reader.TakeList("tags", &info.tags, ReadRecordText);
  if (!reader.status().ok()) return reader.status();
  if (format != 1) {
    return absl::DataLossError(Concat("the dataset record has format ", format, "; this program reads 1"));
  }
  return info;
}

absl::StatusOr<std::vector<DatasetInfo>> DatasetStore::Versions(std::string_view name) const {
  std::vector<DatasetInfo> versions;
  absl::Status damaged;
  const std::string prefix = name.empty() ? "dataset/" : Concat("dataset/", name, "/");
  const absl::Status scanned = records_.ScanEvaluationRecords(
      tenant_, prefix, [&](std::string_view, std::string_view bytes) {
        absl::StatusOr<DatasetInfo> info = DecodeDatasetInfo(bytes);
        if (!info.ok()) {
          damaged = info.status();
          return false;
        }
        versions.push_back(*std::move(info));
        return true;
      });
  if (!damaged.ok()) return damaged;
  if (!scanned.ok()) return scanned;
  return versions;
}

absl::StatusOr<std::vector<DatasetInfo>> DatasetStore::List() const { return Versions(""); }

absl::StatusOr<DatasetInfo> DatasetStore::GetInfo(const DatasetRef& ref) const {
  if (absl::Status status = CheckName("dataset", ref.name); !status.ok()) return status;
  absl::StatusOr<std::vector<DatasetInfo>> versions = Versions(ref.name);
  if (!versions.ok()) return versions.status();
  if (versions->empty()) {
    absl::StatusOr<std::vector<DatasetInfo>> all = List();
    if (!all.ok()) return all.status();
    std::set<std::string> names;
    for (const DatasetInfo& info : *all) names.insert(info.name);
    return absl::NotFoundError(
        Concat("there is no dataset ", ref.name,
               names.empty() ? std::string("; import one by: vouch dataset import NAME FILE")
                             : Concat("; there are: ", absl::StrJoin(names, ", "))));
  }
  if (ref.version == 0) return versions->back();
  for (const DatasetInfo& info : *versions) {
    if (info.version == ref.version) return info;
  }
  return absl::NotFoundError(Concat("dataset ", ref.name, " has no version ", ref.version,
                                    "; its latest is ", versions->back().version));
}

absl::StatusOr<Dataset> DatasetStore::Get(const DatasetRef& ref) const {
  absl::StatusOr<DatasetInfo> info = GetInfo(ref);
  if (!info.ok()) return info.status();
  absl::StatusOr<std::optional<std::string>> content =
      records_.GetEvaluationRecord(tenant_, ContentKey(info->hash));
  if (!content.ok()) return content.status();
  if (!content->has_value() || ContentHash(**content) != info->hash) {
    return absl::DataLossError(Concat("the questions of dataset ", info->name, "@", info->version,
                                      " are missing or damaged"));
  }
  absl::StatusOr<std::vector<DatasetQuestion>> questions = ParseQuestions(**content);
  if (!questions.ok()) {
    return absl::DataLossError(Concat("the questions of dataset ", info->name, "@", info->version,
                                      " do not read: ", ToStd(questions.status().message())));
  }
  return Dataset{*std::move(info), *std::move(questions)};
}

absl::StatusOr<DatasetInfo> DatasetStore::Put(std::string_view name, std::string_view source,
                                              const std::vector<DatasetQuestion>& questions,
                                              int64_t now_us, bool dry_run) {
  if (absl::Status status = CheckName("dataset", name); !status.ok()) return status;
  if (absl::Status status = CheckQuestions(questions); !status.ok()) return status;
  const std::string content = EncodeQuestions(questions);
  if (content.size() > DatasetLimits::kMaxBytes) {
    return absl::InvalidArgumentError(Concat("the questions have ", content.size(),
                                             " bytes; the limit is ", DatasetLimits::kMaxBytes));
  }
  DatasetInfo info = Summarize(questions);
  info.name = std::string(name);
  info.hash = ContentHash(content);
  info.source = std::string(source);
  info.created_us = now_us;
  const NamedRecord kept_content{ContentKey(info.hash), content};
  for (int attempt = 0; attempt < kMaxPuts; ++attempt) {
    absl::StatusOr<std::vector<DatasetInfo>> versions = Versions(name);
    if (!versions.ok()) return versions.status();
    if (!versions->empty() && versions->back().hash == info.hash) return versions->back();
    info.version = versions->empty() ? 1 : versions->back().version + 1;
    if (dry_run) return info;
    if (attempt == 0) {
      absl::Status status = records_.PutEvaluationRecords(tenant_, {&kept_content, 1}, false);
      if (!status.ok()) return status;
    }
    const NamedRecord record{VersionKey(name, info.version), EncodeDatasetInfo(info)};
    absl::Status status = records_.PutEvaluationRecords(tenant_, {&record, 1}, true);
    if (status.ok()) return info;
    if (!absl::IsAlreadyExists(status)) return status;
  }
  return absl::AbortedError(Concat("dataset ", name, ": ", kMaxPuts,
                                   " other imports came before this one; try again"));
}

}  // namespace vouch
