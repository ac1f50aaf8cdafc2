#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "query/collection.h"
#include "rag/embed/embedder.h"

namespace vouch {

// What `openai` embedders need and a schema must not hold.
struct ModelServerOptions {
  std::string base_url = {};
  std::string api_key = {};
};

// Which embedder fills a dense field at a version. A field's `embedder` spec is
// "builtin/lsa[?dim=N&language=L]", "builtin/hash[?dim=N&language=L]" or "openai/MODEL?dim=N".
// Trained models (LSA) are artifacts of the collection; the document key "embedder/FIELD" holds the
// list of {from_version, id, artifact}, changed in the commit that embeds anew, so that a query at
// version v uses the model that its rows were embedded by.
//
// Thread safe; models are parsed once and shared.
class EmbedderRegistry {
 public:
  explicit EmbedderRegistry(ModelServerOptions model_server)
      : model_server_(std::move(model_server)) {}

  // FAILED_PRECONDITION: the field has no embedder, or it is not trained yet (nothing ingested at
  // that version).
  absl::StatusOr<std::shared_ptr<const Embedder>> Resolve(Collection& collection, int dense_field,
                                                          Version at);
  // Of a spec alone, for builtin/hash and openai; `spec` as in the schema. INVALID_ARGUMENT lists
  // the kinds there are.
  absl::StatusOr<std::shared_ptr<const Embedder>> Create(std::string_view spec);
  // The dimension that a spec asks for, and whether it must be trained.
  struct SpecInfo {
    uint32_t dim = 0;
    bool trained = false;
    std::string language = "english";
  };
  static absl::StatusOr<SpecInfo> ParseSpec(std::string_view spec);
  // Whether two specs ask for the same, "builtin/lsa" and "builtin/lsa?dim=300" for one.
  static bool SameSpec(std::string_view a, std::string_view b);

 private:
  std::shared_ptr<const Embedder> Cached(const std::string& key);
  // The embedder kept under the key: this one, or the one that another thread made meanwhile.
  std::shared_ptr<const Embedder> Keep(const std::string& key,
                                       std::shared_ptr<const Embedder> embedder);

  const ModelServerOptions model_server_;
  std::mutex mu_;
  // By artifact hash or spec; guarded by mu_.
  absl::flat_hash_map<std::string, std::shared_ptr<const Embedder>> cache_;
};

}  // namespace vouch
