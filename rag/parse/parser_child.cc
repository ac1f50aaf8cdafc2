#include "rag/parse/parser_child.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <vector>

#include "absl/strings/numbers.h"
#include "rag/parse/child_process.h"
#include "rag/parse/docx.h"
#include "rag/parse/email.h"
#include "rag/parse/parser.h"
#include "rag/parse/pdf.h"
#include "rag/parse/sandbox.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr char kCommand[] = "parse-in-child";
constexpr int kBadUse = 64;
constexpr int kOutOfMemory = 65;
constexpr uint64_t kMaxDocumentBytes = ParseLimits::kMaxDocumentBytes;

std::atomic<bool> g_can_parse = false;

std::string SignalName(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name == nullptr ? Concat("signal ", signal) : Concat("SIG", name);
}

std::string FirstLine(std::string_view text) {
  return Escape(text.substr(0, std::min(text.find('\n'), text.size())));
}

absl::Status EndedBadly(const ChildEnd& end, const ParserChildLimits& limits) {
  if (end.exit_code == kOutOfMemory || end.signal == SIGKILL) {
    return absl::ResourceExhaustedError(Concat("it takes more than ", limits.memory_bytes,
                                               " bytes of memory, the limit of one document"));
  }
  if (end.signal == SIGXCPU) return absl::DeadlineExceededError("it takes too much processor time");
  const std::string why = end.errors.empty() ? "" : Concat(": ", FirstLine(end.errors));
  if (end.signal != 0) {
    return absl::InternalError(Concat("the parser crashed with ", SignalName(end.signal), why));
  }
  return absl::InternalError(Concat("the parser ended with exit code ", end.exit_code, why));
}

bool WriteAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

// At most the limit and one byte.
std::string ReadInput() {
  std::string bytes;
  char buffer[1 << 16];
  while (bytes.size() <= kMaxDocumentBytes) {
    const ssize_t count = ::pread(STDIN_FILENO, buffer, sizeof(buffer), static_cast<off_t>(bytes.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    bytes.append(buffer, static_cast<size_t>(count));
  }
  return bytes;
}

std::string FolderOf(std::string_view path) { return std::string(path.substr(0, path.rfind('/'))); }

}  // namespace

bool IsParsedInChild(MediaType type) {
  switch (type) {
    case MediaType::kPdf:
    case MediaType::kDocx:
    case MediaType::kEmail:
      return true;
    case MediaType::kText:
    case MediaType::kMarkdown:
    case MediaType::kHtml:
    case MediaType::kJsonLines:
    case MediaType::kCsv:
      return false;
  }
  return false;
}

absl::StatusOr<ParsedDocument> ParseInProcess(MediaType type, std::string_view bytes) {
  switch (type) {
    case MediaType::kPdf:
      return ParsePdf(bytes);
    case MediaType::kDocx:
      return ParseDocx(bytes);
    case MediaType::kEmail:
      return ParseEmail(bytes);
    case MediaType::kText:
    case MediaType::kMarkdown:
    case MediaType::kHtml:
    case MediaType::kJsonLines:
    case MediaType::kCsv:
      break;
  }
  Document document;
  document.media_type = type;
  document.bytes = std::string(bytes);
  return ParseDocument(document);
}

absl::StatusOr<ParsedDocument> ParseInChild(MediaType type, std::string_view bytes, const ParserChildLimits& limits,
                                            const CancelToken& cancel) {
  if (!g_can_parse) {
    return absl::FailedPreconditionError(Concat("documents of type ", MediaTypeName(type),
                                                " are parsed in a child process, which takes a program that calls "
                                                "vouch::RunParserChild first in its main"));
  }
  // Processor time is a second line: the parent's clock is the first.
  const uint64_t cpu_seconds = static_cast<uint64_t>(limits.time.count()) / 1000 + 1;
  absl::StatusOr<int> input = MemoryFile(bytes);
  if (!input.ok()) return input.status();
  ChildOptions options;
  options.program = "/proc/self/exe";
  options.arguments = {kCommand, std::string(MediaTypeName(type)), std::to_string(limits.memory_bytes),
                       std::to_string(cpu_seconds)};
  options.input_fd = *input;
  options.time = limits.time;
  options.output_bytes = limits.output_bytes;
  std::string output;
  absl::StatusOr<ChildEnd> end = RunChild(options, cancel, [&output](std::string_view piece) {
    output.append(piece);
    return absl::OkStatus();
  });
  ::close(*input);
  if (!end.ok()) return end.status();
  if (end->signal != 0 || end->exit_code != 0) return EndedBadly(*end, limits);
  return DecodeOutcome(output);
}

std::optional<int> RunParserChild(int argc, char** argv) {
  if (argc != 5 || std::strcmp(argv[1], kCommand) != 0) {
    g_can_parse = true;
    return std::nullopt;
  }
  MediaType type = MediaType::kText;
  SandboxLimits limits{.memory_bytes = 0, .cpu_seconds = 0, .file_bytes = kMaxDocumentBytes + 1};
  if (!FindMediaType(argv[2], &type) || !absl::SimpleAtoi(argv[3], &limits.memory_bytes) ||
      !absl::SimpleAtoi(argv[4], &limits.cpu_seconds)) {
    return kBadUse;
  }
  std::vector<std::string> readable;
  // Where it is not one of the system's own.
  if (const std::string program = FindProgram(kPdfProgram); !program.empty()) readable.push_back(FolderOf(program));
  if (const absl::Status status = EnterSandbox(limits, readable); !status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return kBadUse;
  }
  // Nothing is left to be done at the end of main, and the sandbox would not let all of it be done.
  try {
    ::_exit(WriteAll(EncodeOutcome(ParseInProcess(type, ReadInput()))) ? 0 : kBadUse);
  } catch (const std::bad_alloc&) {
    ::_exit(kOutOfMemory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    ::_exit(kBadUse);
  }
}

}  // namespace vouch
