#pragma once

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "rag/file_walker.h"

namespace vouch {

// Queries and judgements of two files into a request that has both; an error names the file, or the option where the
// file cannot be read.
template <class Request>
absl::Status ReadJudgements(const std::string& queries_file, const std::string& qrels_file,
                            Request* request) {
  const auto in_file = [](const std::string& file, const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(file, ": ", status.message()));
  };
  absl::StatusOr<std::string> text = ReadSource(queries_file);
  if (!text.ok()) return in_file("--queries", text.status());
  absl::StatusOr<std::vector<EvaluationQuery>> queries = ParseQueries(*text);
  if (!queries.ok()) return in_file(queries_file, queries.status());
  text = ReadSource(qrels_file);
  if (!text.ok()) return in_file("--qrels", text.status());
  absl::StatusOr<Qrels> qrels = ParseQrels(*text);
  if (!qrels.ok()) return in_file(qrels_file, qrels.status());
  for (EvaluationQuery& query : *queries) {
    auto* message = request->add_queries();
    message->set_id(std::move(query.id));
    message->set_text(std::move(query.text));
  }
  for (const auto& [query, documents] : *qrels) {
    for (const auto& [document, relevance] : documents) {
      auto* judgement = request->add_judgements();
      judgement->set_query_id(query);
      judgement->set_document_id(document);
      judgement->set_relevance(relevance);
    }
  }
  return absl::OkStatus();
}

}  // namespace vouch
