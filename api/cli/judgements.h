#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"
#include "rag/file_walker.h"

namespace vouch {

// Queries of a file into a request; an error names the file, or the option where the file cannot be read.
template <class Request>
absl::Status ReadQueries(const std::string& queries_file, Request* request) {
  absl::StatusOr<std::string> text = ReadSource(queries_file);
  if (!text.ok()) {
    return absl::Status(text.status().code(), absl::StrCat("--queries: ", text.status().message()));
  }
  absl::StatusOr<std::vector<EvaluationQuery>> queries = ParseQueries(*text);
  if (!queries.ok()) {
    return absl::Status(queries.status().code(),
                        absl::StrCat(queries_file, ": ", queries.status().message()));
  }
  for (EvaluationQuery& query : *queries) {
    auto* message = request->add_queries();
    message->set_id(std::move(query.id));
    message->set_text(std::move(query.text));
  }
  return absl::OkStatus();
}

// Queries and judgements of two files into a request that has both; an error names the file, or the option where the
// file cannot be read.
template <class Request>
absl::Status ReadJudgements(const std::string& queries_file, const std::string& qrels_file,
                            Request* request) {
  const auto in_file = [](const std::string& file, const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(file, ": ", status.message()));
  };
  if (absl::Status status = ReadQueries(queries_file, request); !status.ok()) return status;
  absl::StatusOr<std::string> text = ReadSource(qrels_file);
  if (!text.ok()) return in_file("--qrels", text.status());
  absl::StatusOr<Qrels> qrels = ParseQrels(*text);
  if (!qrels.ok()) return in_file(qrels_file, qrels.status());
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
