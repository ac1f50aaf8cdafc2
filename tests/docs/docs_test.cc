// Runs what the documentation tells a user to type, and compares what it says comes out.
//
// In a page, ```sh blocks are run as they stand and must succeed. In ```console blocks each line
// that starts with "$ " is run, and the lines below it are what it prints, where … stands for any
// text, and a line of … alone for any lines; one that ends with & goes on in the background once it
// has printed its lines. All blocks of a page share one shell, in an empty home folder or in the
// root of the repository. Other blocks after the line <!-- in FILE --> are part of that file. Ports
// and folders that the page names are replaced by some of the test's own.
#include <fnmatch.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/model_server.h"
#include "tests/support/temp_dir.h"

namespace vouch {
namespace {

struct Command {
  int line = 0;
  std::string text = {};
  bool checked = false;  // its output is part of the page
  std::vector<std::string> expected = {};

  bool in_background() const { return checked && text.ends_with(" &"); }
};

// A piece of another file, as a page shows it.
struct Excerpt {
  int line = 0;
  std::string file = {};
  std::string text = {};
};

struct Page {
  std::vector<Command> commands;
  std::vector<Excerpt> excerpts;
  std::vector<std::string> mistakes;
};

// Reads one page line by line.
class PageReader {
 public:
  Page Read(const std::string& path) {
    std::ifstream in(path);
    int number = 0;
    for (std::string line; std::getline(in, line);) Take(++number, line);
    if (block_ != Block::kNone) page_.mistakes.push_back("the last block has no end");
    return std::move(page_);
  }

 private:
  enum class Block { kNone, kShell, kConsole, kExcerpt, kText };

  void Take(int number, const std::string& line) {
    const std::string marker = "<!-- in ";
    if (block_ == Block::kNone) {
      if (line.starts_with("```")) {
        Begin(number, line.substr(3));
      } else if (line.starts_with(marker)) {
        file_ = line.substr(marker.size(), line.find(' ', marker.size()) - marker.size());
      }
    } else if (line == "```") {
      block_ = Block::kNone;
    } else if (block_ == Block::kShell) {
      page_.commands.back().text += line + "\n";
    } else if (block_ == Block::kExcerpt) {
      page_.excerpts.back().text += line + "\n";
    } else if (block_ == Block::kText) {
      return;  // shown as it is
    } else if (line.starts_with("$ ")) {
      page_.commands.push_back({.line = number, .text = line.substr(2), .checked = true});
    } else if (!page_.commands.empty()) {
      page_.commands.back().expected.push_back(line);
    }
  }
  void Begin(int number, const std::string& kind) {
    block_ = kind == "sh"        ? Block::kShell
             : kind == "console" ? Block::kConsole
             : kind == "text"    ? Block::kText  // neither commands nor code: a grammar
                                 : Block::kExcerpt;
    if (block_ == Block::kShell) page_.commands.push_back({.line = number + 1});
    if (block_ != Block::kExcerpt) return;
    if (file_.empty()) {
      page_.mistakes.push_back("the block in line " + std::to_string(number) +
                               " is neither run nor part of a file");
    }
    page_.excerpts.push_back({.line = number + 1, .file = std::exchange(file_, "")});
  }

  Page page_;
  Block block_ = Block::kNone;
  std::string file_;  // of the next excerpt
};

bool LineMatches(const std::string& expected, const std::string& actual) {
  std::string pattern;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (expected.compare(i, 3, "…") == 0) {
      pattern += '*';
      i += 2;
    } else {
      if (std::string("*?[\\").find(expected[i]) != std::string::npos) pattern += '\\';
      pattern += expected[i];
    }
  }
  return ::fnmatch(pattern.c_str(), actual.c_str(), 0) == 0;
}

// A column is as wide as its widest entry, which may be a time in a line that is left out: three spaces and more count as two.
std::string Narrow(const std::string& line) {
  std::string narrow;
  for (size_t i = 0; i < line.size(); ++i) {
    if (i < 2 || line.compare(i - 2, 3, "   ") != 0) narrow += line[i];
  }
  return narrow;
}

bool OutputMatches(const std::vector<std::string>& expected, size_t e,
                   const std::vector<std::string>& actual, size_t a) {
  if (e == expected.size()) return a == actual.size();
  if (expected[e] == "…") {
    for (size_t next = a; next <= actual.size(); ++next) {
      if (OutputMatches(expected, e + 1, actual, next)) return true;
    }
    return false;
  }
  if (a == actual.size()) return false;
  const bool same = LineMatches(expected[e], actual[a]) || LineMatches(Narrow(expected[e]), Narrow(actual[a]));
  return same && OutputMatches(expected, e + 1, actual, a + 1);
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return lines;
}

// Stands for a model: has an answer for each question of the pages, and as a reranker likes texts
// that have the question's last word, short ones more.
ModelServer::Reply AnswerOfPages(size_t, const ModelServer::Request& request) {
  if (request.path.ends_with("/rerank")) {
    return {.body = RerankReply(
                request.body, [](const std::string& question, const std::string& text) {
                  const std::string last = question.substr(question.rfind(' ') + 1);
                  const bool has = text.find(last) != std::string::npos;
                  return (has ? 1 : 0) - static_cast<double>(text.size()) / 1024;
                })};
  }
  const nlohmann::json body = nlohmann::json::parse(request.body);
  const std::string rules = body["messages"][0]["content"];
  if (rules.starts_with("You judge")) {
    return ChatStream(rules.find("addresses") != std::string::npos ? R"({"score": 0.8, "reason": "more than was asked"})" : R"({"score": 1})",
                      212, 14);
  }
  const std::string prompt = body["messages"][1]["content"];
  std::string answer = "I do not know.";
  if (prompt.ends_with("Is a backup incremental?")) answer = "A backup is incremental [1].";
  if (prompt.ends_with("What do backups share?")) {
    answer = "Backups share the files that have not changed since the last backup [1].";
  } else if (prompt.ends_with("How long does a backup take?")) {
    answer = "A backup takes 7 minutes [1].";
  } else if (prompt.ends_with("Where does a restored backup go?")) {
    answer = body["model"] == "small" ? "A backup is restored within 9 minutes [1]."
                                      : "Restoring puts a backup into an empty folder, so that a running store is never overwritten [1].";
  } else if (prompt.ends_with("How often are seals replaced?")) {
    answer = "Seals are replaced every ninety days by the workshop [1].";
  }
  return ChatStream(answer, 212, 14);
}

// Every line without the spaces that all lines start with.
std::string Unindented(const std::string& text) {
  size_t common = std::string::npos;
  for (const std::string& line : Lines(text)) {
    if (const size_t spaces = line.find_first_not_of(' '); spaces != std::string::npos)
      common = std::min(common, spaces);
  }
  std::string out;
  for (const std::string& line : Lines(text))
    out += (line.size() > common ? line.substr(common) : "") + "\n";
  return out;
}

// A port that nobody listens on just now.
int FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

struct PageParam {
  const char* name;
  const char* path;
  bool in_repository;  // where it is typed
};

// Names of tests hold no addresses.
void PrintTo(const PageParam& page, std::ostream* out) { *out << page.path; }

class DocsTest : public testing::TestWithParam<PageParam> {
 protected:
  void SetUp() override {
    page_ = PageReader().Read(GetParam().path);
    std::filesystem::create_directories(home_ + "/notes");
    if (!GetParam().in_repository) {
      std::filesystem::remove(home_ + "/notes");
      return;
    }
    std::ofstream(home_ + "/notes/storage.md")
        << "# Storage\n\nWrites are durable.\n\nBackups are incremental.\n";
    std::ofstream(home_ + "/notes/meeting.txt")
        << "We decided that backups are made every night.\n";
  }

  std::string OfThisTest(std::string text) const {
    text = Replaced(std::move(text), "127.0.0.1:7700", "127.0.0.1:" + std::to_string(port_));
    text = Replaced(std::move(text), "127.0.0.1:7701", "127.0.0.1:" + std::to_string(port_ + 1));
    text = Replaced(std::move(text), "$PWD/build/release", VOUCH_BIN_DIR);
    text = Replaced(std::move(text), "build/stubs", dir_.File("stubs"));
    return Replaced(std::move(text), "build/examples", dir_.File("examples"));
  }
  // scripts/quickstart builds in build/release: a build elsewhere leaves it alone.
  bool Runs(const Command& command) const {
    const bool here = std::string(VOUCH_BIN_DIR) == root_ + "/build/release";
    return here || command.text.find("scripts/") == std::string::npos;
  }

  void WriteScript() {
    std::ofstream script(dir_.File("script.sh"));
    script
        << "export VOUCH_DEPS_DIR=\"${VOUCH_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/vouchdb}\"\n"
        << "export CCACHE_DIR=\"${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}\"\n"
        << "export PATH='" << VOUCH_BIN_DIR << "':/usr/bin:/bin HOME='" << home_
        << "' LC_ALL=C.UTF-8 MODEL_SERVER='" << model_server_.base_url() << "'\n"
        << "unset XDG_DATA_HOME VOUCH_SERVER VOUCH_DATA VOUCH_CONFIG VOUCH_RERANKERS PYTHONPATH\n"
        << "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
        << "cd '" << (GetParam().in_repository ? root_ : home_) << "'\n";
    for (size_t i = 0; i < page_.commands.size(); ++i) {
      const Command& command = page_.commands[i];
      if (!Runs(command)) continue;
      const std::string out = "'" + OutputOf(i) + "'";
      script << "{ " << OfThisTest(command.text) << "\n} > " << out << " 2>&1; echo $? > '"
             << CodeOf(i) << "'\n";
      if (!command.in_background()) continue;
      script << "for _ in $(seq 200); do [ $(wc -l < " << out << ") -ge " << command.expected.size()
             << " ] && break; sleep 0.1; done; cp " << out << " " << out << ".then; mv " << out
             << ".then " << out << "\n";
    }
  }
  std::string OutputOf(size_t i) const { return dir_.File("out." + std::to_string(i)); }
  std::string CodeOf(size_t i) const { return dir_.File("rc." + std::to_string(i)); }

  const std::string root_ = std::filesystem::current_path().string();
  TempDir dir_;
  const std::string home_ = dir_.File("home");
  const int port_ = FreePort();  // HTTP takes the one after it
  const ModelServer model_server_{AnswerOfPages};
  Page page_;
};

TEST_P(DocsTest, DoesWhatItSays) {
  ASSERT_FALSE(page_.commands.empty()) << GetParam().path << " has no command";
  WriteScript();
  ASSERT_EQ(::system(("bash '" + dir_.File("script.sh") + "' < /dev/null").c_str()), 0);
  for (size_t i = 0; i < page_.commands.size(); ++i) {
    const Command& command = page_.commands[i];
    if (!Runs(command)) continue;
    const std::string output = ReadAll(OutputOf(i));
    const std::string where =
        std::string(GetParam().path) + ":" + std::to_string(command.line) + ": " + command.text;
    std::vector<std::string> expected;
    for (const std::string& line : command.expected) expected.push_back(OfThisTest(line));
    while (!expected.empty() && expected.back().empty()) expected.pop_back();
    // A command whose page shows an error may fail; all others must not.
    const bool shows_error = !expected.empty() && expected[0].find("rror") != std::string::npos;
    if (!shows_error) {
      EXPECT_EQ(ReadAll(CodeOf(i)), "0\n") << where << "\nprinted:\n" << output;
    }
    if (command.checked) {
      EXPECT_TRUE(OutputMatches(expected, 0, Lines(output), 0)) << where << "\nprinted:\n"
                                                                << output;
    }
  }
}

TEST_P(DocsTest, ShowsItsFilesAsTheyAre) {
  for (const std::string& mistake : page_.mistakes)
    ADD_FAILURE() << GetParam().path << ": " << mistake;
  for (const Excerpt& excerpt : page_.excerpts) {
    const std::string file = ReadAll(excerpt.file);
    ASSERT_FALSE(file.empty()) << excerpt.file;
    // What stands between the two lines with this mark.
    const std::string mark = "[search]\n";
    const size_t begin = file.find(mark);
    const size_t end = file.rfind('\n', file.find(mark, begin + 1));
    ASSERT_NE(end, std::string::npos) << excerpt.file << " has no region " << mark;
    EXPECT_EQ(excerpt.text,
              Unindented(file.substr(begin + mark.size(), end - begin - mark.size() + 1)))
        << GetParam().path << ":" << excerpt.line;
  }
}

INSTANTIATE_TEST_SUITE_P(Pages, DocsTest,
                         testing::Values(PageParam{"readme", "README.md", true},
                                         PageParam{"guide", "docs/guide.md", false},
                                         PageParam{"http", "docs/http.md", false},
                                         PageParam{"pipelines", "docs/pipelines.md", false},
                                         PageParam{"query", "docs/query.md", false},
                                         PageParam{"writes", "docs/writes.md", false},
                                         PageParam{"rag", "docs/rag.md", false},
                                         PageParam{"records", "docs/records.md", false},
                                         PageParam{"evaluation", "docs/evaluation.md", false},
                                         PageParam{"delivery", "docs/delivery.md", false},
                                         PageParam{"exports", "docs/exports.md", false}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vouch
