#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "query/database.h"
#include "rag/document.h"
#include "rag/embed/embedder_registry.h"
#include "rag/retriever.h"

namespace vouch {

struct AskRequest {
  std::string collection = {};
  std::string question = {};  // 1 byte … 64 KiB
  RetrievalMode mode = RetrievalMode::kHybrid;
  std::optional<Filter> filter = {};
  uint32_t context_chunks = 8;   // hits given to the generator, 1 … 100
  uint32_t max_sentences = 4;    // of the extractive answer, 1 … 20
  ReadAt at = {};
  Principal principal = {};
  CancelToken cancel = {};
};

// One statement of the answer and the place it is taken from.
struct Citation {
  ByteSpan answer = {};        // bytes of the answer's text, without its marker
  uint32_t source_number = 0;  // [1], [2] … in the text
  PointId point = {};
  RowId row = {};
  std::string document = {};  // document id
  std::string uri = {};
  std::string source_hash = {};  // content hash of the document's bytes
  ByteSpan source = {};          // bytes of the document that hold the quote
  std::string quote = {};        // the sentence as the answer gives it
  bool verified = false;     // the kept source bytes at `source` hold the quote (white space and markup apart)
};

struct AnswerSource {
  uint32_t number = 0;
  PointId point = {};
  RowId row = {};
  std::string document = {};
  std::string title = {};
  std::string heading = {};
  double score = 0;
  ByteSpan source = {};
};

// The full record of one ask; kept, and shown again by id exactly as it was.
struct Answer {
  std::string id = {};  // UUIDv7
  int64_t time_us = 0;
  std::string tenant = {};
  std::string subject = {};
  std::string collection = {};
  Version version = {};
  std::string question = {};
  std::string mode = {};
  std::string filter = {};        // JSON, empty for none
  std::string embedder = {};
  std::string generator = {};  // "builtin/extractive/2?max_sentences=4"
  std::vector<std::string> build_ids = {};
  std::string engine = {};        // program version
  std::vector<PointHit> hits = {};  // as retrieved, with explanation
  std::string text = {};          // the answer; markers [1] after each statement
  bool abstained = false;    // nothing retrieved speaks of the question
  std::vector<Citation> citations = {};
  std::vector<AnswerSource> sources = {};  // cited ones first, numbered from 1
  int64_t retrieve_us = 0;
  int64_t generate_us = 0;
};

std::string AnswerToJson(const Answer& answer);
absl::StatusOr<Answer> AnswerFromJson(std::string_view json);

// Retrieves at one version, answers by builtin/extractive, checks every citation against the kept source bytes, keeps
// the record, returns it.
absl::StatusOr<Answer> Ask(Database& database, EmbedderRegistry& embedders, const AskRequest& request);
// NOT_FOUND. An answer of another tenant is not found.
absl::StatusOr<Answer> GetAnswer(Database& database, const Principal& principal, std::string_view id);

}  // namespace vouch
