// Queries as people type them: any text is refused with its place, or is a clause that passes the
// checks.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "query/text_query_parser.h"

std::vector<std::string> FuzzSeeds() {
  return {"+ship -shark \"deep space\"~2 astro* rokcet~1",
          "title:(+red fox^2.5) body:\"a \\\" b\" c\\*", "(((a) b) c)^1e3 -d~"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vouch::CollectionSchema schema;
  schema.text = {{.name = "title"}, {.name = "body"}};
  const auto clause = vouch::ParseTextQuery({reinterpret_cast<const char*>(data), size}, schema);
  if (!clause.ok()) return 0;
  if (!vouch::ValidateTextClause(*clause, schema).ok()) std::abort();
  (void)vouch::FormatTextClause(*clause);
  return 0;
}
