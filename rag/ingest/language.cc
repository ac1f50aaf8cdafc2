#include "rag/ingest/language.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "index/inverted/stop_words.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr size_t kSampleBytes = size_t{64} << 10;
constexpr size_t kMinWords = 6;
constexpr double kMinShare = 0.08;   // of the words, in the language's list
constexpr double kMinLead = 1.15;    // over the second language
constexpr size_t kMaxWordBytes = 64;

// Languages whose stop words search knows.
constexpr std::pair<std::string_view, std::string_view> kListed[] = {
    {"danish", "da"}, {"dutch", "nl"},   {"english", "en"},   {"finnish", "fi"},    {"french", "fr"},  {"german", "de"},
    {"italian", "it"}, {"norwegian", "no"}, {"portuguese", "pt"}, {"russian", "ru"}, {"spanish", "es"}, {"swedish", "sv"}};

// The commonest function words of the others.
constexpr std::pair<std::string_view, std::string_view> kOthers[] = {
    {"ca", "els les dels amb que una per és i no al del més com ha han està són aquest aquesta seva seu però també"},
    {"hu", "a az és hogy nem egy is ez meg de csak már még volt van mint vagy ha azt ki el lehet minden amely"},
    {"id", "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga ke karena adalah oleh saya atau kami"},
    {"lt", "ir kad yra tai su bet kaip iš į jis buvo ne apie taip dar jau už dėl per jo tik nuo arba būti"},
    {"ro", "și de în la cu a nu pe este care din mai pentru o un se sunt ce au fost dar prin această acest"},
    {"tr", "ve bir bu da de için ile çok ne daha olarak gibi olan ben sen o ama var mı değil kadar her sonra"},
    {"ga", "agus an na ar le do go bhí tá sé mar ag as sin ach níl a is ní seo bheith nó chun ón leis"},
    {"eu", "eta da du bat ez dira izan baina ere dute egin zen hau beste edo bere den ziren dago baten"}};

struct Membership {
  std::vector<size_t> languages = {};
};

// All languages with lists, and of each word those that have it.
struct Profiles {
  std::vector<std::string_view> codes = {};
  absl::flat_hash_map<std::string, Membership> words = {};
};

const Profiles& AllProfiles() {
  static const Profiles* const profiles = [] {
    auto* all = new Profiles();
    const auto add = [all](std::string_view word) {
      std::vector<size_t>& languages = all->words[std::string(word)].languages;
      const size_t language = all->codes.size() - 1;
      if (languages.empty() || languages.back() != language) languages.push_back(language);
    };
    for (const auto& [name, code] : kListed) {
      all->codes.push_back(code);
      for (const std::string_view word : StopWords(name)) add(word);
    }
    for (const auto& [code, list] : kOthers) {
      all->codes.push_back(code);
      std::string_view rest = list;
      while (!rest.empty()) {
        const size_t end = std::min(rest.find(' '), rest.size());
        add(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    }
    return all;
  }();
  return *profiles;
}

// The language of a script that is one language's among those known; empty for others.
std::string_view LanguageOfScript(UScriptCode script) {
  switch (static_cast<int>(script)) {
    case USCRIPT_GREEK:
      return "el";
    case USCRIPT_ARMENIAN:
      return "hy";
    case USCRIPT_TAMIL:
      return "ta";
    case USCRIPT_DEVANAGARI:
      return "hi";
    case USCRIPT_ARABIC:
      return "ar";
    default:
      return "";
  }
}

}  // namespace

std::string DetectLanguage(std::string_view text) {
  text = text.substr(0, kSampleBytes);
  const Profiles& profiles = AllProfiles();
  std::vector<double> scores(profiles.codes.size(), 0);
  std::map<std::string_view, size_t> by_script;
  size_t letters = 0;
  size_t words = 0;
  std::string word;
  const auto end_word = [&] {
    if (word.empty()) return;
    ++words;
    if (const auto found = profiles.words.find(word); found != profiles.words.end()) {
      for (const size_t language : found->second.languages) {
        scores[language] += 1.0 / static_cast<double>(found->second.languages.size());
      }
    }
    word.clear();
  };
  const auto size = static_cast<int32_t>(text.size());
  for (int32_t at = 0; at < size;) {
    UChar32 c = 0;
    U8_NEXT(text.data(), at, size, c);
    if (c < 0 || !u_isalpha(c)) {
      end_word();
      continue;
    }
    ++letters;
    if (c >= 0x80) {
      UErrorCode error = U_ZERO_ERROR;
      const std::string_view language = LanguageOfScript(uscript_getScript(c, &error));
      if (U_SUCCESS(error) && !language.empty()) ++by_script[language];
    }
    c = u_tolower(c);
    char encoded[U8_MAX_LENGTH];
    int32_t length = 0;
    U8_APPEND_UNSAFE(encoded, length, c);
    if (word.size() < kMaxWordBytes) word.append(encoded, static_cast<size_t>(length));
  }
  end_word();
  if (words < kMinWords) return "";
  for (const auto& [language, count] : by_script) {
    if (count * 2 > letters) return std::string(language);
  }
  size_t best = 0;
  for (size_t i = 1; i < scores.size(); ++i) {
    if (scores[i] > scores[best]) best = i;
  }
  double second = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (i != best) second = std::max(second, scores[i]);
  }
  const bool enough = scores[best] >= kMinShare * static_cast<double>(words);
  return enough && scores[best] >= kMinLead * second ? std::string(profiles.codes[best]) : "";
}

}  // namespace vouch
