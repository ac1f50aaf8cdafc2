#include "rag/embed/embedder_registry.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "index/inverted/analyzer.h"
#include "rag/embed/builtin_hash.h"
#include "rag/embed/embedder_history.h"
#include "rag/embed/lsa.h"
#include "rag/embed/openai.h"
#include "storage/concat.h"
#include "storage/schema.h"
#include "storage/store.h"

namespace vouch {
namespace {

constexpr std::string_view kKinds =
    "builtin/lsa[?dim=N&language=L], builtin/hash[?dim=N&language=L], openai/MODEL?dim=N";
constexpr std::string_view kOpenAi = "openai/";
constexpr uint32_t kDefaultLsaDim = 300;
constexpr uint32_t kDefaultHashDim = 256;
// Of parsed models kept at a time; a collection that is retrained again and again leaves old ones
// behind.
constexpr size_t kMaxCached = 64;

struct ParsedSpec {
  enum class Kind { kLsa, kHash, kOpenAi };
  Kind kind = Kind::kLsa;
  std::string model;  // openai
  bool request_dim = false;
  EmbedderRegistry::SpecInfo info;
};

absl::Status BadSpec(std::string_view spec, std::string_view why) {
  return absl::InvalidArgumentError(Concat("embedder \"", Escape(spec), "\": ", why));
}

absl::Status SetParameter(std::string_view spec, std::string_view name, std::string_view value,
                          ParsedSpec* parsed) {
  if (name == "dim") {
    if (!absl::SimpleAtoi(ToAbsl(value), &parsed->info.dim) || parsed->info.dim == 0 ||
        parsed->info.dim > Limits::kMaxDim) {
      return BadSpec(spec,
                     Concat("dim is \"", Escape(value), "\"; it takes 1 to ", Limits::kMaxDim));
    }
    return absl::OkStatus();
  }
  if (name == "language" && parsed->kind != ParsedSpec::Kind::kOpenAi) {
    absl::StatusOr<std::shared_ptr<const Analyzer>> analyzer = Analyzer::Create(value);
    if (!analyzer.ok()) return BadSpec(spec, ToStd(analyzer.status().message()));
    parsed->info.language = std::string(value);
    return absl::OkStatus();
  }
  if (name == "request_dim" && parsed->kind == ParsedSpec::Kind::kOpenAi) {
    if (value != "true" && value != "false")
      return BadSpec(spec, "request_dim takes true or false");
    parsed->request_dim = value == "true";
    return absl::OkStatus();
  }
  return BadSpec(spec,
                 Concat("unknown parameter \"", Escape(name), "\"; there are dim and ",
                        parsed->kind == ParsedSpec::Kind::kOpenAi ? "request_dim" : "language"));
}

absl::StatusOr<ParsedSpec> Parse(std::string_view spec) {
  const size_t question = std::min(spec.find('?'), spec.size());
  const std::string_view name = spec.substr(0, question);
  ParsedSpec parsed;
  if (name == "builtin/lsa") {
    parsed.info = {.dim = kDefaultLsaDim, .trained = true};
  } else if (name == "builtin/hash") {
    parsed.kind = ParsedSpec::Kind::kHash;
    parsed.info = {.dim = kDefaultHashDim};
  } else if (name.starts_with(kOpenAi) && name.size() > kOpenAi.size()) {
    parsed.kind = ParsedSpec::Kind::kOpenAi;
    parsed.model = std::string(name.substr(kOpenAi.size()));
  } else {
    return BadSpec(spec, Concat("unknown kind; there are ", kKinds));
  }
  std::string_view rest = spec.substr(std::min(question + 1, spec.size()));
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return BadSpec(spec, Concat("\"", Escape(pair), "\" is no name=value"));
    }
    if (absl::Status status =
            SetParameter(spec, pair.substr(0, equals), pair.substr(equals + 1), &parsed);
        !status.ok()) {
      return status;
    }
  }
  if (parsed.info.dim == 0)
    return BadSpec(spec, "an openai embedder needs its dimension: openai/MODEL?dim=N");
  return parsed;
}

}  // namespace

absl::StatusOr<EmbedderRegistry::SpecInfo> EmbedderRegistry::ParseSpec(std::string_view spec) {
  absl::StatusOr<ParsedSpec> parsed = Parse(spec);
  if (!parsed.ok()) return parsed.status();
  return parsed->info;
}

bool EmbedderRegistry::SameSpec(std::string_view a, std::string_view b) {
  const absl::StatusOr<ParsedSpec> one = Parse(a);
  const absl::StatusOr<ParsedSpec> other = Parse(b);
  return one.ok() && other.ok() && one->kind == other->kind && one->model == other->model &&
         one->request_dim == other->request_dim && one->info.dim == other->info.dim &&
         one->info.language == other->info.language;
}

std::shared_ptr<const Embedder> EmbedderRegistry::Cached(const std::string& key) {
  const std::lock_guard<std::mutex> lock(mu_);
  const auto found = cache_.find(key);
  return found == cache_.end() ? nullptr : found->second;
}

std::shared_ptr<const Embedder> EmbedderRegistry::Keep(const std::string& key,
                                                       std::shared_ptr<const Embedder> embedder) {
  const std::lock_guard<std::mutex> lock(mu_);
  if (cache_.size() >= kMaxCached) cache_.clear();  // those in use live on with their users
  return cache_.try_emplace(key, std::move(embedder)).first->second;
}

absl::StatusOr<std::shared_ptr<const Embedder>> EmbedderRegistry::Create(std::string_view spec) {
  absl::StatusOr<ParsedSpec> parsed = Parse(spec);
  if (!parsed.ok()) return parsed.status();
  const std::string key = Concat("spec:", spec);
  if (std::shared_ptr<const Embedder> cached = Cached(key)) return cached;
  absl::StatusOr<std::shared_ptr<const Embedder>> embedder;
  switch (parsed->kind) {
    case ParsedSpec::Kind::kLsa:
      return absl::FailedPreconditionError(
          "builtin/lsa must be trained on a collection's texts first");
    case ParsedSpec::Kind::kHash:
      embedder = CreateHashEmbedder(parsed->info.dim, parsed->info.language);
      break;
    case ParsedSpec::Kind::kOpenAi:
      if (model_server_.base_url.empty()) {
        return absl::FailedPreconditionError(
            Concat("embedder \"", Escape(spec),
                   "\" needs a model server, and no base_url is configured for it"));
      }
      embedder = CreateOpenAiEmbedder({.base_url = model_server_.base_url,
                                       .model = parsed->model,
                                       .dim = parsed->info.dim,
                                       .request_dim = parsed->request_dim,
                                       .api_key = model_server_.api_key});
      break;
  }
  if (!embedder.ok()) return embedder.status();
  return Keep(key, *std::move(embedder));
}

absl::StatusOr<std::shared_ptr<const Embedder>> EmbedderRegistry::Resolve(Collection& collection,
                                                                          int dense_field,
                                                                          Version at) {
  const CollectionSchema& schema = collection.schema();
  if (dense_field < 0 || static_cast<size_t>(dense_field) >= schema.dense.size()) {
    return absl::InvalidArgumentError(
        Concat("collection ", collection.info().name, " has no dense field number ", dense_field));
  }
  const DenseField& field = schema.dense[static_cast<size_t>(dense_field)];
  const std::string where =
      Concat("dense field ", field.name, " of collection ", collection.info().name);
  if (field.embedder.empty()) {
    return absl::FailedPreconditionError(Concat(
        where,
        " has no embedder: its vectors come from users, and a text cannot be turned into one"));
  }
  absl::StatusOr<SpecInfo> info = ParseSpec(field.embedder);
  if (!info.ok()) return info.status();
  if (!info->trained) return Create(field.embedder);

  absl::StatusOr<std::optional<std::string>> stored =
      collection.store().GetDocument(collection.id(), EmbedderHistoryKey(field.name));
  if (!stored.ok()) return stored.status();
  std::vector<EmbedderHistoryEntry> entries;
  if (stored->has_value()) {
    absl::StatusOr<std::vector<EmbedderHistoryEntry>> decoded = DecodeEmbedderHistory(**stored);
    if (!decoded.ok()) return decoded.status();
    entries = *std::move(decoded);
  }
  const EmbedderHistoryEntry* entry = FindEmbedderAt(entries, at);
  if (entry == nullptr) {
    return absl::FailedPreconditionError(Concat(where, " is filled by ", field.embedder,
                                                ", which is not trained at version ", at.value,
                                                ": ingest documents first"));
  }
  if (std::shared_ptr<const Embedder> cached = Cached(Concat("model:", entry->artifact)))
    return cached;
  absl::StatusOr<std::string> bytes =
      collection.store().GetArtifact(collection.id(), entry->artifact);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<std::shared_ptr<const Embedder>> embedder = ParseLsa(*bytes);
  if (!embedder.ok()) return embedder.status();
  if ((*embedder)->id() != entry->id || (*embedder)->dim() != field.dim) {
    return absl::DataLossError(Concat(where, ": the model kept for version ",
                                      entry->from_version.value, " is ", (*embedder)->id(),
                                      ", not ", entry->id));
  }
  return Keep(Concat("model:", entry->artifact), *std::move(embedder));
}

}  // namespace vouch
