// The text forms of judgements and runs.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "rag/eval/metrics.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Fields = std::vector<std::string_view>;

constexpr std::string_view kBlanks = " \t\v\f\r";

absl::Status BadLine(std::string_view what, uint64_t line, std::string_view why) {
  return absl::InvalidArgumentError(Concat(what, ", line ", line, ": ", why));
}

// Calls visit(line number, line) for each line that is not blank, without its line break.
template <typename Visit>
absl::Status ForEachLine(std::string_view text, Visit visit) {
  uint64_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(kBlanks) == std::string_view::npos) continue;
    if (absl::Status status = visit(number, line); !status.ok()) return status;
  }
  return absl::OkStatus();
}

Fields SplitBlanks(std::string_view line) {
  Fields fields;
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    if (line.empty()) return fields;
    const size_t end = std::min(line.find_first_of(kBlanks), line.size());
    fields.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

// Tabs part the fields; empty ones count.
Fields SplitTabs(std::string_view line) {
  Fields fields;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find('\t', begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return fields;
}

bool IsTsvHeader(std::string_view line) {
  const Fields fields = SplitBlanks(line);
  return fields.size() == 3 && fields[0] == "query-id" && fields[1] == "corpus-id" &&
         fields[2] == "score";
}

}  // namespace

absl::StatusOr<Qrels> ParseQrels(std::string_view text) {
  constexpr std::string_view kWhat = "judgements";
  Qrels qrels;
  bool tsv = false;
  absl::Status status =
      ForEachLine(text, [&](uint64_t number, std::string_view line) -> absl::Status {
        if (number == 1 && IsTsvHeader(line)) {
          tsv = true;
          return absl::OkStatus();
        }
        const Fields fields = tsv ? SplitTabs(line) : SplitBlanks(line);
        const size_t expected = tsv ? 3 : 4;
        if (fields.size() != expected) {
          return BadLine(
              kWhat, number,
              Concat("it has ", fields.size(), " fields; expected ",
                     tsv ? "query-id, corpus-id, score (tabs)" : "query, 0, document, relevance"));
        }
        const std::string_view query = fields[0];
        const std::string_view document = fields[tsv ? 1 : 2];
        int level = 0;
        if (!absl::SimpleAtoi(ToAbsl(fields.back()), &level)) {
          return BadLine(
              kWhat, number,
              Concat("the relevance \"", Escape(fields.back()), "\" is no whole number"));
        }
        if (query.empty() || document.empty()) return BadLine(kWhat, number, "an id is empty");
        if (!qrels[std::string(query)].emplace(document, level).second) {
          return BadLine(
              kWhat, number,
              Concat("document ", Escape(document), " is judged twice for query ", Escape(query)));
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return qrels;
}

absl::StatusOr<Run> ParseRun(std::string_view text) {
  constexpr std::string_view kWhat = "run";
  Run run;
  absl::Status status =
      ForEachLine(text, [&](uint64_t number, std::string_view line) -> absl::Status {
        const Fields fields = SplitBlanks(line);
        if (fields.size() < 6) {  // as trec_eval: what follows the tag is not looked at
          return BadLine(kWhat, number,
                         Concat("it has ", fields.size(),
                                " fields; expected query, Q0, document, rank, score, tag"));
        }
        double score = 0;
        if (!absl::SimpleAtod(ToAbsl(fields[4]), &score) || !std::isfinite(score)) {
          return BadLine(kWhat, number,
                         Concat("the score \"", Escape(fields[4]), "\" is no finite number"));
        }
        if (!run[std::string(fields[0])].emplace(fields[2], score).second) {
          return BadLine(kWhat, number,
                         Concat("document ", Escape(fields[2]), " stands twice for query ",
                                Escape(fields[0])));
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return run;
}

std::string FormatRun(const Run& run, std::string_view tag) {
  std::string text;
  for (const auto& [query, documents] : run) {
    uint32_t rank = 0;
    for (const std::string_view document : RankDocuments(documents)) {
      char score[32];
      // The shortest form that reads back as the same number.
      const auto end = std::to_chars(score, score + sizeof(score),
                                     documents.find(std::string(document))->second);
      text += Concat(query, " Q0 ", document, " ", ++rank, " ",
                     std::string_view(score, static_cast<size_t>(end.ptr - score)), " ", tag, "\n");
    }
  }
  return text;
}

}  // namespace vouch
