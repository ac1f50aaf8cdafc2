#include "index/inverted/analyzer.h"

#include <libstemmer.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "index/inverted/elision.h"
#include "index/inverted/stop_words.h"
#include "index/inverted/word_segmenter.h"

namespace vouch {
namespace {

constexpr std::string_view kNoLanguage = "none";
// Raised when the same text gives other terms. 2: elided articles are cut.
constexpr int kRules = 2;
constexpr size_t kMaxMemoWords = 1 << 15;
constexpr size_t kMaxMemoWordBytes = 32;
constexpr size_t kMaxIdleWorkspaces = 64;
constexpr size_t kMaxIdleWords = 1 << 16;

struct StemmerDeleter {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};
using Stemmer = std::unique_ptr<sb_stemmer, StemmerDeleter>;

// Cuts `text` to at most kMaxTermBytes without breaking a code point.
void CutTerm(std::string* text) {
  if (text->size() <= Analyzer::kMaxTermBytes) return;
  size_t size = Analyzer::kMaxTermBytes;
  while (size > 0 && (static_cast<uint8_t>((*text)[size]) & 0xC0) == 0x80) --size;
  text->resize(size);
}

// Of ICU's data, which words and folding follow.
std::string UnicodeVersion() {
  UVersionInfo version;
  u_getUnicodeVersion(version);
  char text[U_MAX_VERSION_STRING_LENGTH];
  u_versionToString(version, text);
  return text;
}

// What one thread needs while it analyses a text.
struct Workspace {
  // A folded word and what became of it, so that common words are stemmed once.
  struct Outcome {
    std::string term;
    bool stop = false;
  };
  std::unique_ptr<WordSegmenter> segmenter;
  Stemmer stemmer;  // null for "none"
  absl::flat_hash_map<std::string, Outcome> memo;
  std::vector<WordSpan> words;
  std::string folded;
  std::string stemmed;
};

class SnowballAnalyzer final : public Analyzer {
 public:
  SnowballAnalyzer(std::string language, const icu::Normalizer2& fold)
      : language_(std::move(language)),
        id_(absl::StrCat(language_, "/", kRules, "?unicode=", UnicodeVersion())),
        fold_(fold) {
    const auto words = StopWords(language_);
    stop_words_.insert(words.begin(), words.end());
  }

  absl::Status Prepare() {
    absl::StatusOr<std::unique_ptr<Workspace>> workspace = MakeWorkspace();
    if (!workspace.ok()) return workspace.status();
    Release(*std::move(workspace));
    return absl::OkStatus();
  }

  const std::string& id() const override { return id_; }

  std::string Fold(std::string_view word) const override {
    const bool ascii = std::all_of(word.begin(), word.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    std::string folded;
    Fold(word, ascii, &folded);
    return folded;
  }

  std::vector<Token> Tokenize(std::string_view text) const override {
    std::vector<Token> tokens;
    ForEachTerm(text, [&](std::string_view term, const WordSpan& word) {
      tokens.push_back({.term = std::string(term), .begin = word.begin, .end = word.end});
    });
    return tokens;
  }

  AnalyzedText Analyze(std::string_view text) const override {
    std::string arena;
    std::vector<std::pair<size_t, size_t>> spans;  // offset and size in the arena
    ForEachTerm(text, [&](std::string_view term, const WordSpan&) {
      spans.emplace_back(arena.size(), term.size());
      arena.append(term);
    });
    const auto term_of = [&](uint32_t i) {
      return std::string_view(arena).substr(spans[i].first, spans[i].second);
    };
    std::vector<uint32_t> sorted(spans.size());
    for (uint32_t i = 0; i < sorted.size(); ++i) sorted[i] = i;
    std::sort(sorted.begin(), sorted.end(),
              [&](uint32_t a, uint32_t b) { return term_of(a) < term_of(b); });
    AnalyzedText analyzed;
    analyzed.length = static_cast<uint32_t>(sorted.size());
    analyzed.order.resize(sorted.size());
    for (size_t i = 0; i < sorted.size();) {
      const std::string_view term = term_of(sorted[i]);
      const size_t begin = i;
      for (; i < sorted.size() && term_of(sorted[i]) == term; ++i) {
        analyzed.order[sorted[i]] = static_cast<uint32_t>(analyzed.terms.size());
      }
      analyzed.terms.push_back(
          {.term = std::string(term), .frequency = static_cast<uint32_t>(i - begin)});
    }
    return analyzed;
  }

 private:
  template <typename Visit>
  void ForEachTerm(std::string_view text, Visit visit) const {
    std::unique_ptr<Workspace> workspace = Acquire();
    if (workspace == nullptr) return;
    workspace->segmenter->Segment(text, &workspace->words);
    for (const WordSpan& word : workspace->words) {
      const std::optional<std::string_view> term =
          MakeTerm(text.substr(word.begin, word.end - word.begin), word.ascii, *workspace);
      if (term.has_value()) visit(*term, word);
    }
    Release(std::move(workspace));
  }

  // Folds, cuts what is elided, drops stop words, stems. The view lives until the workspace is used
  // again.
  std::optional<std::string_view> MakeTerm(std::string_view word, bool ascii,
                                           Workspace& workspace) const {
    Fold(word, ascii, &workspace.folded);
    const std::string& folded = workspace.folded;
    if (folded.empty()) return std::nullopt;
    if (workspace.stemmer == nullptr) return folded;
    if (const auto known = workspace.memo.find(folded); known != workspace.memo.end()) {
      if (known->second.stop) return std::nullopt;
      return known->second.term;
    }
    const bool stop = stop_words_.contains(folded);
    Stem(folded, *workspace.stemmer, &workspace.stemmed);
    if (folded.size() <= kMaxMemoWordBytes) {
      if (workspace.memo.size() >= kMaxMemoWords) workspace.memo.clear();
      workspace.memo.emplace(folded, Workspace::Outcome{.term = workspace.stemmed, .stop = stop});
    }
    if (stop) return std::nullopt;
    return workspace.stemmed;
  }

  void Fold(std::string_view word, bool ascii, std::string* folded) const {
    folded->clear();
    if (ascii) {
      word = word.substr(0, kMaxTermBytes);
      for (char c : word) folded->push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
      CutElided(folded);
      return;
    }
    UErrorCode error = U_ZERO_ERROR;
    icu::StringByteSink<std::string> sink(folded);
    fold_.normalizeUTF8(0, icu::StringPiece(word.data(), static_cast<int32_t>(word.size())), sink,
                        nullptr, error);
    if (U_FAILURE(error)) folded->clear();
    // Folding keeps the typographic apostrophe; stemmers know only the plain one, and people type
    // that.
    if (folded->find("\u2019") != std::string::npos) {
      *folded = absl::StrReplaceAll(*folded, {{"\u2019", "'"}});
    }
    CutTerm(folded);
    CutElided(folded);
  }

  void CutElided(std::string* folded) const {
    if (folded->find('\'') != std::string::npos) {
      folded->erase(0, folded->size() - CutElision(language_, *folded).size());
    }
  }

  static void Stem(const std::string& word, sb_stemmer& stemmer, std::string* stemmed) {
    const sb_symbol* stem = sb_stemmer_stem(
        &stemmer, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
    if (stem == nullptr || sb_stemmer_length(&stemmer) <= 0) {
      *stemmed = word;
      return;
    }
    stemmed->assign(reinterpret_cast<const char*>(stem),
                    static_cast<size_t>(sb_stemmer_length(&stemmer)));
    CutTerm(stemmed);
  }

  absl::StatusOr<std::unique_ptr<Workspace>> MakeWorkspace() const {
    auto workspace = std::make_unique<Workspace>();
    absl::StatusOr<std::unique_ptr<WordSegmenter>> segmenter = WordSegmenter::Create();
    if (!segmenter.ok()) return segmenter.status();
    workspace->segmenter = *std::move(segmenter);
    if (language_ != kNoLanguage) {
      workspace->stemmer.reset(sb_stemmer_new(language_.c_str(), nullptr));
      if (workspace->stemmer == nullptr) {
        return absl::InternalError(absl::StrCat("cannot open the stemmer '", language_, "'"));
      }
    }
    return workspace;
  }

  // Null only where ICU or the stemmer had no memory left, having had it in Prepare.
  std::unique_ptr<Workspace> Acquire() const {
    {
      const std::lock_guard lock(mu_);
      if (!idle_.empty()) {
        std::unique_ptr<Workspace> workspace = std::move(idle_.back());
        idle_.pop_back();
        return workspace;
      }
    }
    absl::StatusOr<std::unique_ptr<Workspace>> workspace = MakeWorkspace();
    return workspace.ok() ? *std::move(workspace) : nullptr;
  }

  void Release(std::unique_ptr<Workspace> workspace) const {
    if (workspace->words.capacity() > kMaxIdleWords) std::vector<WordSpan>().swap(workspace->words);
    const std::lock_guard lock(mu_);
    if (idle_.size() < kMaxIdleWorkspaces) idle_.push_back(std::move(workspace));
  }

  const std::string language_;
  const std::string id_;
  const icu::Normalizer2& fold_;
  absl::flat_hash_set<std::string_view> stop_words_;
  mutable std::mutex mu_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // guarded by mu_
};

}  // namespace

std::vector<std::string> Analyzer::Languages() {
  std::vector<std::string> languages{std::string(kNoLanguage)};
  for (const char** name = sb_stemmer_list(); *name != nullptr; ++name) languages.push_back(*name);
  std::sort(languages.begin(), languages.end());
  return languages;
}

// While anyone holds one of a language, all get the same: it has opened ICU's rules, and knows the stems of the words that it has met.
absl::StatusOr<std::shared_ptr<const Analyzer>> Analyzer::Create(std::string_view language) {
  static std::mutex mu;
  static auto& shared = *new absl::flat_hash_map<std::string, std::weak_ptr<const Analyzer>>;
  const std::lock_guard lock(mu);
  if (const auto known = shared.find(std::string(language)); known != shared.end()) {
    if (std::shared_ptr<const Analyzer> analyzer = known->second.lock()) return analyzer;
  }
  const std::vector<std::string> languages = Languages();
  if (std::find(languages.begin(), languages.end(), language) == languages.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown text language '", std::string(language.substr(0, 64)),
                     "'; there are: ", absl::StrJoin(languages, ", ")));
  }
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* fold = icu::Normalizer2::getNFKCCasefoldInstance(error);
  if (U_FAILURE(error)) {
    return absl::InternalError(
        absl::StrCat("ICU cannot open NFKC case folding: ", u_errorName(error)));
  }
  auto analyzer = std::make_shared<SnowballAnalyzer>(std::string(language), *fold);
  if (absl::Status prepared = analyzer->Prepare(); !prepared.ok()) return prepared;
  shared[std::string(language)] = analyzer;
  return analyzer;
}

}  // namespace vouch
