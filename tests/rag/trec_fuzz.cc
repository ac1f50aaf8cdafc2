// Judgements, runs and questions.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/eval/metrics.h"
#include "rag/eval/retrieval.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto qrels = vouch::ParseQrels(text);
  const auto run = vouch::ParseRun(text);
  if (run.ok()) {
    const auto again = vouch::ParseRun(vouch::FormatRun(*run, "tag"));
    if (!again.ok() || *again != *run) std::abort();
  }
  if (qrels.ok() && run.ok()) vouch::Evaluate(*qrels, *run, true);
  if (qrels.ok()) vouch::Evaluate(*qrels, {{"1", {{"a", 0.5}}}}, false);
  (void)vouch::ParseQueries(text);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  return {"1 0 a 2\n1 0 b -1\n2 0 a 1\n", "query-id\tcorpus-id\tscore\n1\ta\t2\n",
          "1 Q0 a 1 0.5 tag\n1 Q0 b 2 -1e9 tag\n",
          "{\"_id\": \"1\", \"text\": \"what is it\"}\n{\"_id\": 2, \"text\": \"x\"}\n"};
}
