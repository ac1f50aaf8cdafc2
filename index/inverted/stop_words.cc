#include "index/inverted/stop_words.h"

#include <array>

namespace vouch {
namespace {

constexpr std::string_view kEnglish[] = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};

constexpr std::string_view kGerman[] = {
    "aber",  "als",   "am",     "an",     "auch", "auf",  "aus",   "bei",   "bin",  "bis",
    "bist",  "da",    "dann",   "das",    "dass", "dem",  "den",   "der",   "des",  "die",
    "dies",  "diese", "dieser", "dieses", "doch", "dort", "du",    "durch", "ein",  "eine",
    "einem", "einen", "einer",  "eines",  "er",   "es",   "für",   "hat",   "ich",  "ihr",
    "im",    "in",    "ist",    "ja",     "mit",  "nach", "nicht", "noch",  "nur",  "ob",
    "oder",  "ohne",  "sehr",   "sein",   "sich", "sie",  "sind",  "so",    "über", "um",
    "und",   "uns",   "unter",  "vom",    "von",  "vor",  "war",   "was",   "wenn", "wie",
    "wir",   "wird",  "zu",     "zum",    "zur"};

constexpr std::string_view kFrench[] = {
    "à",   "au",   "aux",  "avec",  "ce",    "ces",   "cet", "cette", "dans", "de",
    "des", "du",   "elle", "elles", "en",    "est",   "et",  "eux",   "il",   "ils",
    "je",  "la",   "le",   "les",   "leur",  "leurs", "lui", "ma",    "mais", "me",
    "mes", "mon",  "ne",   "nos",   "notre", "nous",  "on",  "ou",    "où",   "par",
    "pas", "pour", "qu",   "que",   "qui",   "sa",    "se",  "ses",   "son",  "sont",
    "sur", "ta",   "te",   "tu",    "un",    "une",   "vos", "votre", "vous"};

constexpr std::string_view kSpanish[] = {
    "a",    "al",      "como", "con",   "de",  "del", "desde", "donde", "e",    "el",
    "ella", "ellos",   "en",   "entre", "era", "es",  "esa",   "ese",   "eso",  "esta",
    "este", "esto",    "ha",   "hay",   "la",  "las", "le",    "les",   "lo",   "los",
    "más",  "me",      "mi",   "muy",   "ni",  "no",  "nos",   "o",     "para", "pero",
    "por",  "porque",  "que",  "se",    "ser", "si",  "sin",   "sobre", "son",  "su",
    "sus",  "también", "te",   "tu",    "un",  "una", "uno",   "y",     "ya",   "yo"};

constexpr std::string_view kItalian[] = {
    "a",   "ad",    "al",     "alla",   "anche",  "c",      "che",   "chi", "ci",    "come", "con",
    "da",  "dal",   "dalla",  "dei",    "del",    "della",  "delle", "di",  "e",     "ed",   "era",
    "gli", "ha",    "ho",     "i",      "il",     "in",     "io",    "l",   "la",    "le",   "lei",
    "lo",  "loro",  "lui",    "ma",     "mi",     "ne",     "nei",   "nel", "nella", "non",  "o",
    "per", "più",   "quella", "quello", "questa", "questo", "se",    "si",  "sono",  "su",   "sua",
    "sul", "sulla", "suo",    "tra",    "tu",     "un",     "una",   "uno", "è"};

constexpr std::string_view kPortuguese[] = {
    "a",   "ao",  "aos",  "as",   "com", "como",  "da",   "das",    "de",   "do",    "dos",  "e",
    "é",   "ela", "ele",  "eles", "em",  "entre", "era",  "essa",   "esse", "esta",  "este", "eu",
    "foi", "há",  "isso", "isto", "já",  "lhe",   "mais", "mas",    "me",   "muito", "na",   "nas",
    "não", "nem", "no",   "nos",  "o",   "os",    "ou",   "para",   "pela", "pelo",  "por",  "qual",
    "que", "se",  "sem",  "ser",  "seu", "sua",   "são",  "também", "um",   "uma",   "à",    "às"};

constexpr std::string_view kDutch[] = {
    "aan",  "al",    "als",  "bij",  "dan", "dat",  "de",   "den",  "der",   "deze", "die",
    "dit",  "door",  "dus",  "een",  "en",  "er",   "had",  "heb",  "heeft", "het",  "hij",
    "hoe",  "hun",   "ik",   "in",   "is",  "je",   "kan",  "maar", "me",    "met",  "mij",
    "mijn", "na",    "naar", "niet", "nog", "nu",   "of",   "om",   "omdat", "ons",  "ook",
    "op",   "over",  "te",   "tot",  "uit", "van",  "voor", "was",  "wat",   "werd", "wie",
    "wij",  "wordt", "ze",   "zich", "zij", "zijn", "zo"};

constexpr std::string_view kSwedish[] = {
    "alla",  "att", "av",    "blev",  "bli",    "de",   "dem",  "den",    "denna", "det", "detta",
    "dig",   "du",  "där",   "efter", "eller",  "en",   "ett",  "från",   "för",   "han", "har",
    "hade",  "hon", "hur",   "här",   "i",      "icke", "in",   "inte",   "jag",   "kan", "man",
    "med",   "men", "mig",   "mot",   "mycket", "ni",   "nu",   "när",    "någon", "och", "om",
    "oss",   "på",  "samma", "sedan", "sig",    "sin",  "sina", "skulle", "som",   "så",  "till",
    "under", "upp", "ut",    "vad",   "var",    "vi",   "vid",  "vilka",  "är",    "åt",  "över"};

constexpr std::string_view kNorwegian[] = {
    "alle", "at",  "av",    "bare",  "ble", "da",    "de",   "deg", "dem",  "den",   "denne",
    "der",  "det", "dette", "du",    "en",  "eller", "enn",  "er",  "et",   "etter", "for",
    "fra",  "før", "ha",    "hadde", "han", "har",   "hun",  "hva", "hvor", "i",     "ikke",
    "inn",  "jeg", "kan",   "man",   "med", "meg",   "men",  "mot", "noe",  "noen",  "nå",
    "når",  "og",  "også",  "om",    "opp", "oss",   "over", "på",  "seg",  "sin",   "skal",
    "som",  "så",  "til",   "under", "ut",  "var",   "ved",  "vi",  "vil",  "være",  "å"};

constexpr std::string_view kDanish[] = {
    "af",   "alle",  "at",  "blev", "blive", "da",    "de",    "dem",  "den",  "denne", "der",
    "det",  "dette", "dig", "du",   "efter", "eller", "en",    "end",  "er",   "et",    "for",
    "fra",  "ham",   "han", "har",  "havde", "hos",   "hun",   "hvad", "hvis", "hvor",  "i",
    "ikke", "ind",   "jeg", "kan",  "man",   "med",   "meget", "men",  "mig",  "mod",   "nogle",
    "nu",   "når",   "og",  "også", "om",    "op",    "os",    "over", "på",   "sig",   "sin",
    "skal", "som",   "så",  "til",  "ud",    "under", "var",   "ved",  "vi",   "vil",   "være"};

constexpr std::string_view kFinnish[] = {
    "ei",     "eivät", "en",     "että",   "hän",   "he",   "ja",   "joka",  "jos",
    "jotka",  "ja",    "kanssa", "koska",  "kuin",  "kun",  "me",   "mikä",  "mitä",
    "mukaan", "mutta", "myös",   "ne",     "niin",  "noin", "nyt",  "ole",   "oli",
    "olivat", "on",    "ovat",   "poikki", "se",    "sekä", "sen",  "siitä", "sinä",
    "sitä",   "tai",   "te",     "tämä",   "tämän", "tätä", "vaan", "vai",   "vaikka"};

constexpr std::string_view kRussian[] = {
    "а",   "бы",  "был",  "была",  "были", "было", "в",     "вас",   "вам",  "во",   "вот", "все",
    "вы",  "да",  "для",  "до",    "его",  "ее",   "если",  "есть",  "еще",  "же",   "за",  "и",
    "из",  "или", "им",   "их",    "к",    "как",  "ко",    "когда", "кто",  "ли",   "мне", "мы",
    "на",  "не",  "него", "нет",   "ни",   "но",   "ну",    "о",     "об",   "он",   "она", "они",
    "от",  "по",  "под",  "при",   "с",    "со",   "так",   "то",    "того", "тоже", "ты",  "у",
    "уже", "чем", "что",  "чтобы", "эта",  "это",  "этого", "этот",  "я"};

struct List {
  std::string_view language;
  std::span<const std::string_view> words;
};

constexpr std::array kLists = {
    List{"danish", kDanish},         List{"dutch", kDutch},         List{"english", kEnglish},
    List{"finnish", kFinnish},       List{"french", kFrench},       List{"german", kGerman},
    List{"italian", kItalian},       List{"norwegian", kNorwegian}, List{"porter", kEnglish},
    List{"portuguese", kPortuguese}, List{"russian", kRussian},     List{"spanish", kSpanish},
    List{"swedish", kSwedish}};

}  // namespace

std::span<const std::string_view> StopWords(std::string_view language) {
  for (const List& list : kLists) {
    if (list.language == language) return list.words;
  }
  return {};
}

}  // namespace vouch
