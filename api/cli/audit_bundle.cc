#include "api/cli/audit_bundle.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

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
  std::ifstream in(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  if (in.bad() || !in.is_open())
    return absl::NotFoundError(absl::StrCat("--bundle: cannot read '", path, "': ", std::strerror(errno)));
  return bytes;
}

absl::StatusOr<BundleExpectations> ExpectationsOf(const std::string& head, const std::string& seal) {
  BundleExpectations expected{.seal = seal};
  Digest digest{};
  if (!seal.empty() && !ParseDigest(seal, &digest))
    return UsageError(absl::StrCat("--seal is '", seal, "'; it takes the 64 digits that the export printed"));
  if (head.empty()) return expected;
  const size_t colon = head.find(':');
  if (colon == std::string::npos || !absl::SimpleAtoi(head.substr(0, colon), &expected.entry) || expected.entry == 0 ||
      !ParseDigest(head.substr(colon + 1), &digest)) {
    return UsageError(absl::StrCat("--head is '", head, "'; it takes NUMBER:HASH, as a verification gives it"));
  }
  expected.entry_hash = head.substr(colon + 1);
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
                  report.entries == 1 ? " entry" : " entries", " of the audit log\n");
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
          {"seal", report.seal},           {"problems", problems}};
}

}  // namespace

absl::Status VerifyBundle(const Invocation& invocation, const std::string& path, const std::string& head,
                          const std::string& seal) {
  const absl::StatusOr<BundleExpectations> expected = ExpectationsOf(head, seal);
  if (!expected.ok()) return expected.status();
  const absl::StatusOr<std::string> archive = ReadArchive(path);
  if (!archive.ok()) return archive.status();
  const BundleReport report = CheckBundle(*archive, *expected);
  Print(invocation.json ? FormatJson(ReportToJson(report)) : FormatReport(report, path));
  if (!report.problems.empty()) {
    return absl::DataLossError(absl::StrCat("the bundle is not what was written: ",
                                            FormatCounted(report.problems.size(), "problem")));
  }
  if (!invocation.json)
    Print(seal.empty() ? "the bundle is whole and its chains hold\n"
                       : "the bundle is whole, its chains hold, and it is the one that was sealed\n");
  return absl::OkStatus();
}

}  // namespace vouch
