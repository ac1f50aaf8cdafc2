#include "rag/export/bundle_format.h"

#include <cstdio>
#include <utility>

#include "absl/strings/escaping.h"
#include "rag/record_parse.h"
#include "rag/record_reader.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

absl::StatusOr<RecordJson> ParseLine(std::string_view line) {
  RecordJson json = ParseRecordJson(line);
  if (json.is_discarded()) return absl::DataLossError("it is no JSON, or nested too deeply");
  return json;
}

bool IsHex(const std::string& text) {
  return text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

std::string BundleNumber(uint64_t number) {
  char digits[24] = "";
  std::snprintf(digits, sizeof(digits), "%010llu", static_cast<unsigned long long>(number));
  return digits;
}

std::string BundleAnswerPath(uint64_t number) {
  return Concat(kBundleAnswers, BundleNumber(number), ".json");
}

std::string EncodeBundleLink(const BundleLink& link) {
  const AnswerProof& proof = link.proof;
  return DumpRecord({{"number", proof.link.number},
                     {"id", proof.id},
                     {"previous", DigestText(proof.link.previous)},
                     {"content", DigestText(proof.link.content)},
                     {"hash", DigestText(proof.link.hash)},
                     {"salts", HexOf(proof.salts)},
                     {"record", link.record}});
}

absl::StatusOr<BundleLink> DecodeBundleLink(std::string_view line, uint64_t tenant) {
  const absl::StatusOr<RecordJson> json = ParseLine(line);
  if (!json.ok()) return json.status();
  BundleLink link;
  std::string previous;
  std::string content;
  std::string hash;
  std::string salts;
  RecordReader reader(*json, "");
  reader.Take("number", &link.proof.link.number);
  reader.Take("id", &link.proof.id);
  reader.Take("previous", &previous);
  reader.Take("content", &content);
  reader.Take("hash", &hash);
  reader.Take("salts", &salts);
  reader.Take("record", &link.record);
  if (!reader.status().ok()) return reader.status();
  if (!ParseDigest(previous, &link.proof.link.previous) || !ParseDigest(content, &link.proof.link.content) ||
      !ParseDigest(hash, &link.proof.link.hash) || !IsHex(salts)) {
    return absl::DataLossError("a hash of it is none");
  }
  link.proof.tenant = tenant;
  link.proof.salts = absl::HexStringToBytes(salts);
  return link;
}

std::string EncodeBundleEntry(const AuditEntry& entry) {
  const AuditDraft& change = entry.change;
  return DumpRecord({{"number", entry.number},
                     {"time_us", change.time_us},
                     {"tenant", entry.tenant},
                     {"actor", change.actor},
                     {"action", change.action},
                     {"subject", change.subject},
                     {"reason", change.reason},
                     {"before", change.before},
                     {"after", change.after},
                     {"previous", entry.previous},
                     {"hash", entry.hash}});
}

absl::StatusOr<AuditEntry> DecodeBundleEntry(std::string_view line) {
  const absl::StatusOr<RecordJson> json = ParseLine(line);
  if (!json.ok()) return json.status();
  AuditEntry entry;
  RecordReader reader(*json, "");
  reader.Take("number", &entry.number);
  reader.Take("time_us", &entry.change.time_us);
  reader.Take("tenant", &entry.tenant);
  reader.Take("actor", &entry.change.actor);
  reader.Take("action", &entry.change.action);
  reader.Take("subject", &entry.change.subject);
  reader.Take("reason", &entry.change.reason);
  reader.Take("before", &entry.change.before);
  reader.Take("after", &entry.change.after);
  reader.Take("previous", &entry.previous);
  reader.Take("hash", &entry.hash);
  if (!reader.status().ok()) return reader.status();
  Digest digest{};
  if (!ParseDigest(entry.previous, &digest) || !ParseDigest(entry.hash, &digest))
    return absl::DataLossError("a hash of it is none");
  return entry;
}

}  // namespace vouch
