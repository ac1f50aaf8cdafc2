#include "api/cli/answer_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "api/cli/hit_text.h"
#include "api/cli/text_output.h"

namespace vouch {
namespace {

std::string FormatSource(const v1::Answer& answer, const v1::AnswerSource& source) {
  std::string name = source.document();
  if (!source.heading().empty()) {
    absl::StrAppend(&name, "  ", source.heading());
  } else if (!source.title().empty() && !name.ends_with("/" + source.title())) {
    absl::StrAppend(&name, "  ", source.title());
  }
  std::string out = absl::StrFormat("[%u] %s\n", source.number(), name);
  for (const v1::Citation& citation : answer.citations()) {
    if (citation.source_number() != source.number()) continue;
    absl::StrAppend(
        &out, "    bytes ", citation.source().begin(), "-", citation.source().end(), ", ",
        citation.verified() ? "verified" : "NOT VERIFIED: the source does not hold this quote",
        ": \"", MakeSnippet(citation.quote(), "", 160), "\"\n");
  }
  return out;
}

bool IsCited(const v1::Answer& answer, uint32_t number) {
  for (const v1::Citation& citation : answer.citations()) {
    if (citation.source_number() == number) return true;
  }
  return false;
}

}  // namespace

std::string FormatAnswer(const v1::Answer& answer, bool explain) {
  std::string out = answer.text();
  if (answer.abstained() && out.empty()) out = "Nothing in the collection speaks of this question.";
  out += '\n';
  std::string sources;
  for (const v1::AnswerSource& source : answer.sources()) {
    if (IsCited(answer, source.number())) sources += FormatSource(answer, source);
  }
  if (!sources.empty()) absl::StrAppend(&out, "\nSources\n", sources);
  absl::StrAppend(&out, "\nAnswer ", answer.id(), ": ", answer.collection(), " at version ",
                  answer.version(), ", ", answer.mode(), " search, ", answer.generator(), "\n");
  if (explain) {
    absl::StrAppend(&out, "Embedder ", answer.embedder().empty() ? "none" : answer.embedder(), ", ",
                    absl::StrFormat("%.1f ms to retrieve, %.1f ms to answer\n",
                                    1e-3 * answer.retrieve_us(), 1e-3 * answer.generate_us()),
                    "\nRetrieved\n", FormatHits(answer.hits(), 1, answer.question(), true));
  }
  return out;
}

}  // namespace vouch
