#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "query/database.h"
#include "rag/answer.h"
#include "rag/llm/model_route.h"

namespace vouch {

// What the process counts, as Prometheus reads it. Thread safe.
//
// Invariant: label values come from what is compiled in (methods, codes, pages), from the settings
// (models, tiers) and from collections, of which the first kMaxCollections by name are shown: what
// a caller sends makes no new series.
class Metrics {
 public:
  static constexpr size_t kMaxCollections = 100;

  // `methods`: every one that CountCall may name, as "vouch.v1.Search/Search".
  explicit Metrics(const std::vector<std::string>& methods);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A call begins, and ends with the canonical code's name ("OK", "NOT_FOUND"). Other methods count as
  // "other".
  void BeginCall();
  void EndCall(std::string_view method, std::string_view code, double seconds);
  // `page`: "/v1/models", "/vouch/v1", "other".
  void CountHttp(std::string_view page, int status, double seconds);
  void OpenHttp();  // a connection
  void CloseHttp();
  void RefuseHttp();          // one over the limit
  void CountModelTry(const ModelAttempt& attempt, std::string_view currency);
  void CountAnswer(const Answer& answer);
  // Spans that a collector took, and that it did not get.
  void CountSpans(uint64_t exported, uint64_t dropped);

  // A look of a drift monitor at one kind; `alarmed`: it began to drift. Both names are compiled in.
  void CountDriftLook(std::string_view kind, std::string_view verdict, bool alarmed);

  // The text of /metrics. The gauges of collections are those of the database, where there is one;
  // of those that are open, since nothing is opened to be measured.
  std::string Render(Database* database) const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace vouch
