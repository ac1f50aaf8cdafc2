#include "rag/grounding.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "rag/answer_words.h"
#include "rag/chunk/chunker.h"
#include "rag/cite.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr double kMinSupport = 0.5;
constexpr size_t kMaxSpanSentences = 3;
// What one more sentence of a span must add to the share of terms.
constexpr double kMinGain = 0.1;
constexpr size_t kQuotationWords = 3;
// Bounds of the work that an answer can ask for.
constexpr size_t kMaxMarkerBytes = 40;
constexpr size_t kMaxCheckedSentences = 500;
constexpr size_t kMaxCheckedSources = 20;  // of a sentence

struct Marker {
  size_t begin = 0;
  std::vector<uint32_t> sources;
};

using Terms = std::set<std::string>;

Terms TermsOf(const Analyzer& analyzer, std::string_view text) {
  Terms terms;
  for (Token& token : analyzer.Tokenize(text)) terms.insert(std::move(token.term));
  return terms;
}

double ShareOf(const Terms& wanted, const Terms& there) {
  if (wanted.empty()) return 0;
  size_t found = 0;
  for (const std::string& term : wanted) found += there.contains(term) ? 1 : 0;
  return static_cast<double>(found) / static_cast<double>(wanted.size());
}

// "[1]", "[1, 2]"; the end of it, or 0 where none stands at `at`.
size_t ReadMarker(std::string_view text, size_t at, std::vector<uint32_t>* sources) {
  if (text[at] != '[') return 0;
  std::string_view inside = text.substr(at + 1, kMaxMarkerBytes);
  const size_t size = inside.find(']');
  if (size == std::string_view::npos) return 0;
  inside = inside.substr(0, size);
  std::vector<uint32_t> numbers;
  while (true) {
    const size_t comma = std::min(inside.find(','), inside.size());
    uint32_t number = 0;
    if (!absl::SimpleAtoi(ToAbsl(inside.substr(0, comma)), &number)) return 0;
    numbers.push_back(number);
    if (comma == inside.size()) break;
    inside.remove_prefix(comma + 1);
  }
  sources->insert(sources->end(), numbers.begin(), numbers.end());
  return at + size + 2;
}

// The answer with spaces for its markers and for the signs of lists, so that offsets stay.
std::string BlankMarkers(std::string_view answer, std::vector<Marker>* markers) {
  std::string blanked(answer);
  bool line_begins = true;
  for (size_t at = 0; at < answer.size();) {
    Marker marker{.begin = at, .sources = {}};
    size_t end = ReadMarker(answer, at, &marker.sources);
    if (end > 0) markers->push_back(std::move(marker));
    if (end == 0 && line_begins) end = ListSignEnd(answer, at);
    if (end > 0)
      std::fill(blanked.begin() + static_cast<long>(at), blanked.begin() + static_cast<long>(end),
                ' ');
    line_begins = answer[at] == '\n' || (line_begins && answer[at] == ' ');
    at = std::max(end, at + 1);
  }
  return blanked;
}

// One source, cut into sentences, each with its terms.
struct CutSource {
  std::vector<ByteSpan> sentences;
  std::vector<Terms> terms;
};

class Checker {
 public:
  Checker(const std::vector<GroundingSource>& sources, const Analyzer& analyzer, bool capitals)
      : sources_(sources), analyzer_(analyzer), capitals_(capitals), cut_(sources.size()) {}

  // `text` has its markers blanked.
  void Check(std::string_view text, const std::vector<uint32_t>& numbers,
             GroundedSentence* sentence) {
    const Terms wanted = TermsOf(analyzer_, text);
    std::vector<std::string>& problems = sentence->problems;
    if (numbers.empty()) problems.push_back("cites no source");
    Terms there;
    std::string spans;     // what the spans hold
    std::string contexts;  // and what stands above them
    bool denied = false;   // by the sentence of the sources that is nearest
    double nearest = -1;
    const std::set<uint32_t> distinct(numbers.begin(), numbers.end());
    if (distinct.size() > kMaxCheckedSources) {
      problems.push_back(Concat("cites ", distinct.size(), " sources; at most ", kMaxCheckedSources,
                                " are checked"));
      return;
    }
    for (const uint32_t number : distinct) {
      if (number == 0 || number > sources_.size()) {
        problems.push_back(Concat("cites [", number, "], which is not there"));
        continue;
      }
      const CutSource& source = Cut(number - 1);
      const size_t best = FindNearest(source, wanted);
      if (best == source.sentences.size()) continue;
      const ByteSpan span = Widen(source, best, wanted, &there);
      sentence->cited.push_back({.source = number, .text = span});
      const std::string_view whole = sources_[number - 1].text;
      spans += Concat(whole.substr(span.begin, span.end - span.begin), "\n");
      contexts += Concat(sources_[number - 1].context, "\n");
      const ByteSpan line = source.sentences[best];
      if (const double share = ShareOf(wanted, source.terms[best]); share > nearest) {
        nearest = share;
        denied = Denies(whole.substr(line.begin, line.end - line.begin));
      }
    }
    sentence->support = ShareOf(wanted, there);
    if (sentence->cited.empty()) return;
    if (sentence->support < kMinSupport) {
      problems.push_back(Concat("the cited text has ",
                                static_cast<int>(100 * sentence->support + 0.5),
                                " % of its terms"));
    }
    CheckWords(text, spans, contexts, &problems);
    if (Denies(text) && !Denies(spans)) {
      problems.push_back("denies what the cited text does not deny");
    } else if (!Denies(text) && denied) {
      problems.push_back("does not deny what the cited text denies");
    }
  }

 private:
  const CutSource& Cut(size_t index) {
    CutSource& cut = cut_[index];
    if (cut.sentences.empty()) {
      const std::string_view text = sources_[index].text;
      cut.sentences = SplitSentences(text);
      for (const ByteSpan& span : cut.sentences) {
        cut.terms.push_back(TermsOf(analyzer_, text.substr(span.begin, span.end - span.begin)));
      }
    }
    return cut;
  }

  // The first of those with the largest share; their number where the source is empty.
  static size_t FindNearest(const CutSource& source, const Terms& wanted) {
    size_t best = source.sentences.size();
    double most = -1;
    for (size_t i = 0; i < source.sentences.size(); ++i) {
      if (const double share = ShareOf(wanted, source.terms[i]); share > most) {
        most = share;
        best = i;
      }
    }
    return best;
  }

  // Adds neighbours while they hold more of the terms; adds the span's terms to `there`.
  static ByteSpan Widen(const CutSource& source, size_t best, const Terms& wanted, Terms* there) {
    size_t first = best;
    size_t last = best;
    Terms terms = source.terms[best];
    while (last - first + 1 < kMaxSpanSentences) {
      const auto gain = [&](size_t index) {
        Terms both = terms;
        both.insert(source.terms[index].begin(), source.terms[index].end());
        return ShareOf(wanted, both) - ShareOf(wanted, terms);
      };
      const double before = first > 0 ? gain(first - 1) : 0;
      const double after = last + 1 < source.sentences.size() ? gain(last + 1) : 0;
      if (std::max(before, after) < kMinGain) break;
      const size_t added = before > after ? --first : ++last;
      terms.insert(source.terms[added].begin(), source.terms[added].end());
    }
    there->insert(terms.begin(), terms.end());
    return {source.sentences[first].begin, source.sentences[last].end};
  }

  void CheckWords(std::string_view text, const std::string& spans, const std::string& contexts,
                  std::vector<std::string>* problems) const {
    const std::string plain = PlainQuotationMarks(CollapseSpace(spans));
    for (const std::string& quotation : QuotationsIn(text, kQuotationWords)) {
      if (plain.find(quotation) == std::string::npos) {
        problems->push_back(Concat("the quotation \"", quotation, "\" is not in the cited text"));
      }
    }
    const std::set<std::string> numbers = NumbersIn(spans);
    for (const std::string& number : NumbersIn(text)) {
      if (!numbers.contains(number)) {
        problems->push_back(Concat("the number ", number, " is not in the cited text"));
      }
    }
    std::set<std::string> words = WordsIn(spans);
    words.merge(WordsIn(contexts));
    for (const std::string& name : NamesIn(text, capitals_)) {
      if (!words.contains(Lowered(name))) {
        problems->push_back(Concat("the name ", name, " is not in the cited text"));
      }
    }
  }

  const std::vector<GroundingSource>& sources_;
  const Analyzer& analyzer_;
  const bool capitals_;
  std::vector<CutSource> cut_;  // at its first use
};

}  // namespace

Grounding CheckGrounding(std::string_view answer, const std::vector<GroundingSource>& sources,
                         const Analyzer& analyzer, bool capitals_are_names) {
  std::vector<Marker> markers;
  const std::string blanked = BlankMarkers(answer, &markers);
  std::vector<ByteSpan> spans;
  for (const ByteSpan& span : SplitSentences(blanked)) {
    const auto text = std::string_view(blanked).substr(span.begin, span.end - span.begin);
    if (!analyzer.Tokenize(text).empty()) spans.push_back(span);
  }
  Checker checker(sources, analyzer, capitals_are_names);
  Grounding grounding;
  size_t supported = 0;
  size_t next_marker = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    // Markers up to the next sentence's beginning; those before the first sentence are its own.
    const size_t end = i + 1 < spans.size() ? spans[i + 1].begin : answer.size();
    std::vector<uint32_t> numbers;
    for (; next_marker < markers.size() && markers[next_marker].begin < end; ++next_marker) {
      const std::vector<uint32_t>& cited = markers[next_marker].sources;
      numbers.insert(numbers.end(), cited.begin(), cited.end());
    }
    GroundedSentence sentence{.answer = spans[i], .cited = {}, .problems = {}};
    const ByteSpan span = spans[i];
    if (i < kMaxCheckedSentences) {
      checker.Check(std::string_view(blanked).substr(span.begin, span.end - span.begin), numbers,
                    &sentence);
    } else {
      sentence.problems.push_back(
          Concat("stands past the ", kMaxCheckedSentences, " sentences that are checked"));
    }
    supported += sentence.problems.empty() ? 1 : 0;
    grounding.sentences.push_back(std::move(sentence));
  }
  if (!spans.empty()) {
    grounding.score = static_cast<double>(supported) / static_cast<double>(spans.size());
  }
  return grounding;
}

}  // namespace vouch
