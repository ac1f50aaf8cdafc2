#include "api/cli/answer_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "api/cli/hit_text.h"
#include "api/cli/text_output.h"

namespace vouch {
namespace {

std::string FormatSource(const v1::Answer& answer, const v1::AnswerSource& source) {
  std::string name = source.document();
  if (source.page() > 0) absl::StrAppend(&name, ", p. ", source.page());
  if (!source.heading().empty()) {
    absl::StrAppend(&name, "  ", source.heading());
  } else if (!source.title().empty() && !source.document().ends_with("/" + source.title())) {
    absl::StrAppend(&name, "  ", source.title());
  }
  std::string out = absl::StrFormat("[%u] %s\n", source.number(), name);
  for (const v1::Citation& citation : answer.citations()) {
    if (citation.source_number() != source.number()) continue;
    absl::StrAppend(
        &out, "    ", citation.page() > 0 ? absl::StrCat("p. ", citation.page(), ", ") : "",
        "bytes ", citation.source().begin(), "-", citation.source().end(),
        citation.rendition_hash().empty() ? ", " : " of its text, ",
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

std::string FormatMoney(uint64_t nano, const std::string& currency) {
  constexpr uint64_t kNano = 1'000'000'000;
  return absl::StrFormat("%d.%09d %s", nano / kNano, nano % kNano, currency);
}

// Sentences that their citations do not support, the tries that failed, and what it took.
std::string FormatGeneration(const v1::Answer& answer) {
  const v1::Generation& generation = answer.generation();
  std::string unsupported;
  for (const v1::AnswerSentence& sentence : generation.sentences()) {
    if (sentence.problems().empty()) continue;
    const v1::Span& span = sentence.answer();
    if (span.begin() > span.end() || span.end() > generation.completion().size()) continue;
    absl::StrAppend(
        &unsupported, "    \"",
        MakeSnippet(generation.completion().substr(span.begin(), span.end() - span.begin()), "",
                    160),
        "\": ", absl::StrJoin(sentence.problems(), "; "), "\n");
  }
  std::string out;
  if (!unsupported.empty())
    absl::StrAppend(&out, "\nNot supported by what is cited\n", unsupported);
  std::string failed;
  for (const v1::ModelAttempt& attempt : generation.attempts()) {
    if (attempt.outcome() == "ok") continue;
    absl::StrAppend(&failed, "    ", attempt.tier().empty() ? "model" : attempt.tier(), ": ",
                    attempt.outcome(), "\n");
  }
  if (!failed.empty()) {
    absl::StrAppend(&out, "\n",
                    generation.tier().empty() ? "No model answered; sentences are quoted instead\n"
                                              : "Tries that failed\n",
                    failed);
  }
  if (generation.decisions_size() > 1) {
    absl::StrAppend(&out, "\nTiers asked in turn\n");
    for (const v1::TierDecision& decision : generation.decisions()) {
      absl::StrAppend(
          &out, "    ", decision.tier(), ": ",
          decision.refused() ? "no answer"
                             : absl::StrFormat("%.0f %% supported", 100 * decision.grounding()),
          ", ", decision.taken() ? "taken" : decision.decision(),
          decision.reason().empty() || decision.decision() == "answer" ? ""
                                                                       : " since " + decision.reason(),
          "\n");
    }
  }
  if (generation.tier().empty()) return out;
  absl::StrAppend(&out, "\nModel ", generation.response_model(), " at ", generation.endpoint(),
                  ": ", FormatCount(generation.usage().prompt_tokens()), " + ",
                  FormatCount(generation.usage().completion_tokens()), " tokens",
                  generation.usage().estimated() ? " (estimated)" : "");
  if (!generation.price_table().empty()) {
    absl::StrAppend(&out, ", ", FormatMoney(generation.cost_nano(), generation.currency()),
                    " by prices ", generation.price_table());
  }
  absl::StrAppend(&out, absl::StrFormat("; %.0f %% of the sentences supported\n",
                                        100 * generation.grounding()));
  return out;
}

}  // namespace

std::string FormatAnswer(const v1::Answer& answer, bool explain) {
  std::string out = answer.text();
  if (answer.abstained() && out.empty()) out = "Nothing in the collection speaks of this question.";
  return absl::StrCat(out, "\n", FormatBehindText(answer, explain));
}

std::string FormatBehindText(const v1::Answer& answer, bool explain) {
  std::string out;
  std::string sources;
  for (const v1::AnswerSource& source : answer.sources()) {
    if (IsCited(answer, source.number())) sources += FormatSource(answer, source);
  }
  if (!sources.empty()) absl::StrAppend(&out, "\nSources\n", sources);
  if (answer.has_generation()) out += FormatGeneration(answer);
  absl::StrAppend(&out, "\nAnswer ", answer.id(), ": ", answer.collection(), " at version ",
                  answer.version(), ", ", answer.mode(), " search, ", answer.generator(), "\n");
  if (!answer.pipeline().empty()) {
    absl::StrAppend(&out, "Pipeline ", answer.pipeline(), ", hash ",
                    answer.pipeline_hash().substr(0, 12), "\n");
  }
  if (answer.has_experiment()) {
    absl::StrAppend(&out, "Experiment ", answer.experiment().name(), ", run ", answer.experiment().run(),
                    ": ", answer.experiment().arm(), "\n");
  }
  if (!answer.cache().answer_id().empty()) {
    absl::StrAppend(&out, "From the cache: the completion of answer ", answer.cache().answer_id(),
                    "\n");
  }
  for (const v1::Rewrite& rewrite : answer.rewrites()) {
    absl::StrAppend(&out, "Rewritten (", rewrite.kind(), "): ",
                    rewrite.texts().empty() ? "the model failed" : absl::StrJoin(rewrite.texts(), " | "),
                    "\n");
  }
  if (explain) {
    absl::StrAppend(&out, "Embedder ", answer.embedder().empty() ? "none" : answer.embedder(), ", ",
                    absl::StrFormat("%.1f ms to retrieve, %.1f ms to answer\n",
                                    1e-3 * answer.retrieve_us(), 1e-3 * answer.generate_us()),
                    "\nRetrieved\n", FormatHits(answer.hits(), 1, answer.question(), true));
  }
  return out;
}

}  // namespace vouch
