#include "rag/parse/email.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "nlohmann/json.hpp"
#include "rag/parse/mime.h"
#include "rag/parse/parser.h"
#include "rag/parse/parser_child.h"
#include "rag/parse/rendition_builder.h"
#include "storage/concat.h"

namespace vouch {
namespace {

struct Part {
  MimeHeader header;
  MimeValue type;
  std::string_view body;  // as it is encoded
};

Part ReadPart(std::string_view bytes) {
  Part part;
  part.header = TakeHeader(&bytes);
  part.type = ParseMimeValue(part.header.Find("content-type"));
  if (part.type.value.empty()) part.type.value = "text/plain";
  part.body = bytes;
  return part;
}

std::string DecodeBody(const Part& part) {
  const std::string encoding = ParseMimeValue(part.header.Find("content-transfer-encoding")).value;
  if (encoding == "base64") return DecodeBase64(part.body);
  if (encoding == "quoted-printable") return DecodeQuotedPrintable(part.body);
  return std::string(part.body);
}

// RFC 2046, section 5.1.1: what stands between lines that begin with "--" and the boundary. The last part may lack its end.
std::vector<std::string_view> SplitParts(std::string_view body, std::string_view boundary, size_t max_parts) {
  std::vector<std::string_view> parts;
  const std::string line = Concat("--", boundary);
  size_t begin = body.npos;
  for (size_t at = body.find(line); at != body.npos; at = body.find(line, at + line.size())) {
    if (at > 0 && body[at - 1] != '\n') continue;
    if (begin != body.npos) {
      size_t end = at;
      if (end > begin && body[end - 1] == '\n') --end;
      if (end > begin && body[end - 1] == '\r') --end;
      parts.push_back(body.substr(begin, end - begin));
      if (parts.size() >= max_parts) return parts;
    }
    const std::string_view after = body.substr(at + line.size());
    if (after.starts_with("--")) return parts;
    begin = std::min(body.find('\n', at), body.size() - 1) + 1;
  }
  if (begin != body.npos && begin < body.size()) parts.push_back(body.substr(begin));
  return parts;
}

std::string FileName(const Part& part) {
  const MimeValue disposition = ParseMimeValue(part.header.Find("content-disposition"));
  std::string name(disposition.Find("filename"));
  if (name.empty()) name = part.type.Find("name");
  return CleanText(name.substr(name.find_last_of("/\\") + 1));
}

std::optional<MediaType> KindOf(const Part& part, const std::string& name) {
  const std::string& type = part.type.value;
  if (type == "message/rfc822") return MediaType::kEmail;
  if (const std::optional<MediaType> by_name = MediaTypeOf(name); by_name && *by_name != MediaType::kJsonLines) {
    return by_name;
  }
  MediaType known = MediaType::kText;
  if (FindMediaType(type, &known) && known != MediaType::kJsonLines) return known;
  return std::nullopt;
}

bool IsText(MediaType type) { return !IsParsedInChild(type); }

class EmailReader {
 public:
  explicit EmailReader(RenditionBuilder* builder) : builder_(*builder) {}

  absl::Status ReadMessage(std::string_view bytes, int depth, std::string* subject, nlohmann::json* metadata) {
    const Part message = ReadPart(bytes);
    if (message.header.fields.empty()) {
      return absl::InvalidArgumentError("it is no e-mail: it does not begin with header fields");
    }
    size_t header_bytes = 0;
    for (const auto& [name, value] : message.header.fields) header_bytes += name.size() + value.size();
    if (header_bytes > EmailLimits::kMaxHeaderBytes) {
      return absl::ResourceExhaustedError(
          Concat("the e-mail's header has ", header_bytes, " bytes; the limit is ", EmailLimits::kMaxHeaderBytes));
    }
    *subject = CleanText(DecodeEncodedWords(message.header.Find("subject")));
    builder_.BeginBlock(Block::Kind::kHeading, std::min(1 + depth, 6));
    builder_.AppendText(*subject);
    builder_.BeginBlock(Block::Kind::kParagraph);
    for (const auto& [key, label] : {std::pair{"from", "From"}, {"to", "To"}, {"cc", "Cc"}, {"date", "Date"}}) {
      const std::string value = CleanText(DecodeEncodedWords(message.header.Find(key)));
      if (value.empty()) continue;
      builder_.AppendLineBreak();
      builder_.AppendText(Concat(label, ": ", value));
      if (metadata != nullptr && value.size() <= kMaxMetadataBytes) (*metadata)[key] = value;
    }
    builder_.EndBlock();
    return ReadBody(message, depth);
  }

 private:
  static constexpr size_t kMaxMetadataBytes = 256;  // of one value, so that it can be filtered by

  absl::Status ReadBody(const Part& part, int depth) {
    if (depth > EmailLimits::kMaxDepth) {
      return absl::ResourceExhaustedError(
          Concat("the e-mail's parts are nested deeper than ", EmailLimits::kMaxDepth, ", the limit"));
    }
    if (++parts_ > EmailLimits::kMaxParts) {
      return absl::ResourceExhaustedError(Concat("the e-mail has more than ", EmailLimits::kMaxParts, " parts, the limit"));
    }
    if (builder_.size() > EmailLimits::kMaxTextBytes) {
      return absl::ResourceExhaustedError(
          Concat("the e-mail has more than ", EmailLimits::kMaxTextBytes, " bytes of text, the limit"));
    }
    const std::string& type = part.type.value;
    if (absl::StartsWith(type, "multipart/")) return ReadParts(part, depth);
    const std::string name = FileName(part);
    const bool attached = ParseMimeValue(part.header.Find("content-disposition")).value == "attachment";
    if (!attached && name.empty() && (type == "text/plain" || type == "text/html")) {
      return AppendText(type == "text/html" ? MediaType::kHtml : MediaType::kText, part, 0);
    }
    return ReadAttachment(part, name, depth);
  }

  absl::Status ReadParts(const Part& part, int depth) {
    const std::string boundary(part.type.Find("boundary"));
    if (boundary.empty()) return AppendText(MediaType::kText, part, 0);
    std::vector<Part> parts;
    for (const std::string_view bytes : SplitParts(part.body, boundary, EmailLimits::kMaxParts + 1)) {
      parts.push_back(ReadPart(bytes));
    }
    if (part.type.value == "multipart/alternative" && !parts.empty()) {
      // The same in several forms: plain text where it says anything, else the last, richest one.
      for (const Part& one : parts) {
        if (one.type.value != "text/plain") continue;
        if (!ToStd(absl::StripAsciiWhitespace(ToAbsl(one.body))).empty()) return ReadBody(one, depth + 1);
      }
      return ReadBody(parts.back(), depth + 1);
    }
    for (const Part& one : parts) {
      if (absl::Status status = ReadBody(one, depth + 1); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // A text part; nothing where it cannot be parsed.
  absl::Status AppendText(MediaType type, const Part& part, int levels) {
    const std::string text = CharsetToUtf8(part.type.Find("charset"), DecodeBody(part));
    absl::StatusOr<ParsedDocument> parsed = ParseInProcess(type, CleanText(text));
    if (!parsed.ok()) {
      builder_.BeginBlock(Block::Kind::kParagraph);
      builder_.AppendText(Concat("(", ToStd(parsed.status().message()), ")"));
      builder_.EndBlock();
      return absl::OkStatus();
    }
    builder_.AppendDocument(*parsed, levels);
    return absl::OkStatus();
  }

  absl::Status ReadAttachment(const Part& part, const std::string& name, int depth) {
    const std::optional<MediaType> kind = KindOf(part, name);
    const std::string bytes = DecodeBody(part);
    builder_.BeginBlock(Block::Kind::kHeading, 2);
    builder_.AppendText(Concat("Attachment: ", name.empty() ? "without a name" : name, " (", CleanText(part.type.value),
                               ", ", bytes.size(), " bytes)"));
    builder_.EndBlock();
    if (!kind) return absl::OkStatus();
    if (*kind == MediaType::kEmail) {
      std::string subject;
      absl::Status status = ReadMessage(bytes, depth + 1, &subject, nullptr);
      // A limit is that of the whole e-mail.
      return status.ok() || absl::IsResourceExhausted(status) ? status : Note(status);
    }
    if (IsText(*kind)) return AppendText(*kind, part, 2);
    absl::StatusOr<ParsedDocument> parsed = ParseInProcess(*kind, bytes);
    if (!parsed.ok()) return Note(parsed.status());
    builder_.AppendDocument(*parsed, 2);
    return absl::OkStatus();
  }

  absl::Status Note(const absl::Status& why) {
    builder_.BeginBlock(Block::Kind::kParagraph);
    builder_.AppendText(Concat("(This attachment could not be read: ", ToStd(why.message()), ")"));
    builder_.EndBlock();
    return absl::OkStatus();
  }

  RenditionBuilder& builder_;
  size_t parts_ = 0;
};

}  // namespace

absl::StatusOr<ParsedDocument> ParseEmail(std::string_view bytes) {
  RenditionBuilder builder;
  EmailReader reader(&builder);
  std::string subject;
  nlohmann::json metadata = nlohmann::json::object();
  if (absl::Status status = reader.ReadMessage(bytes, 0, &subject, &metadata); !status.ok()) return status;
  ParsedDocument document = builder.Finish(std::move(subject), ParserId(MediaType::kEmail));
  document.metadata = metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return document;
}

}  // namespace vouch
