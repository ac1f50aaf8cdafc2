#include "api/cli/audit_bundle.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/message_json.h"
#include "api/cli/text_output.h"
#include "nlohmann/json.hpp"
#include "rag/export/bundle_check.h"
#include "storage/sha256.h"

namespace vouch {
namespace {

absl::StatusOr<std::string> ReadArchive(const std::string& path) {
  const auto failed = [&path] {
    return absl::NotFoundError(absl::StrCat("--bundle: cannot read '", path, "': ", std::strerror(errno)));
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failed();
  constexpr size_t kPiece = size_t{1} << 20;
  std::string bytes;
  std::string piece(kPiece, '\0');
  ssize_t got = 0;
  while ((got = ::read(file, piece.data(), piece.size())) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    bytes.append(piece, 0, static_cast<size_t>(got));
  }
  absl::Status status = got < 0 ? failed() : absl::OkStatus();
  ::close(file);
  if (!status.ok()) return status;
  return bytes;
}

// "NUMBER:HASH"; empty: nothing.
absl::Status ReadHead(const char* option, const std::string& head, const char* source, uint64_t* number, std::string* hash) {
  if (head.empty()) return absl::OkStatus();
  Digest digest{};
  const size_t colon = head.find(':');
  if (colon == std::string::npos || !absl::SimpleAtoi(head.substr(0, colon), number) || *number == 0 ||
      !ParseDigest(head.substr(colon + 1), &digest)) {
    return UsageError(absl::StrCat(option, " is '", head, "'; it takes NUMBER:HASH, as ", source, " gives it"));
  }
  *hash = head.substr(colon + 1);
  return absl::OkStatus();
}

absl::StatusOr<BundleExpectations> ExpectationsOf(const BundleOptions& options) {
  BundleExpectations expected{.seal = options.seal};
  Digest digest{};
  if (!options.seal.empty() && !ParseDigest(options.seal, &digest))
    return UsageError(absl::StrCat("--seal is '", options.seal, "'; it takes the 64 digits that the export printed"));
  absl::Status status = ReadHead("--head", options.head, "`vouch audit verify`", &expected.entry, &expected.entry_hash);
  if (!status.ok()) return status;
  status = ReadHead("--expect", options.expect, "`vouch answer verify`", &expected.answer, &expected.answer_hash);
  if (!status.ok()) return status;
  return expected;
}

std::string FormatReport(const BundleReport& report, const std::string& path) {
  std::string text;
  for (const BundleProblem& problem : report.problems)
    absl::StrAppend(&text, "problem: ", problem.where, ": ", problem.what, "\n");
  absl::StrAppend(&text, path, ": tenant ", report.tenant, ", from ", report.from, report.to.empty() ? " on" : " to ",
                  report.to, "\n", FormatCounted(report.files, "file"), "; ", FormatCounted(report.answers, "answer"),
                  report.erased > 0 ? absl::StrCat(" (", report.erased, " with erased texts)") : "",
                  " as their links say, ", FormatCounted(report.links, "link"), "; ", FormatCount(report.entries),
                  report.entries == 1 ? " entry" : " entries", " of the audit log; ",
                  FormatCounted(report.commits, "commit"), "; feedback ", FormatCounted(report.feedback, "time"), "\n");
  if (report.unchained > 0)
    absl::StrAppend(&text, FormatCounted(report.unchained, "answer"),
                    " from before there was a chain: nothing but the sums vouches for them\n");
  return absl::StrCat(text, "seal ", report.seal, "\n");
}

nlohmann::ordered_json ReportToJson(const BundleReport& report) {
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();
  for (const BundleProblem& problem : report.problems)
    problems.push_back({{"where", problem.where}, {"what", problem.what}});
  return {{"tenant", report.tenant},       {"from", report.from},   {"to", report.to},
          {"files", report.files},         {"answers", report.answers}, {"erased", report.erased},
          {"unchained", report.unchained}, {"links", report.links}, {"entries", report.entries},
          {"commits", report.commits},     {"feedback", report.feedback},
          {"seal", report.seal},           {"problems", problems}};
}

}  // namespace

absl::Status VerifyBundle(const Invocation& invocation, const BundleOptions& options) {
  const absl::StatusOr<BundleExpectations> expected = ExpectationsOf(options);
  if (!expected.ok()) return expected.status();
  const absl::StatusOr<std::string> archive = ReadArchive(options.path);
  if (!archive.ok()) return archive.status();
  const BundleReport report = CheckBundle(*archive, *expected);
  Print(invocation.json ? FormatJson(ReportToJson(report)) : FormatReport(report, options.path));
  if (!report.problems.empty()) {
    return absl::DataLossError(absl::StrCat("the bundle is not what was written: ",
                                            FormatCounted(report.problems.size(), "problem")));
  }
  if (!invocation.json)
    Print(options.seal.empty() ? "the bundle is whole and its chains hold\n"
                       : "the bundle is whole, its chains hold, and it is the one that was sealed\n");
  return absl::OkStatus();
}

}  // namespace vouch
