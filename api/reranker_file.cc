#include "api/reranker_file.h"

#include <yaml-cpp/yaml.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "api/yaml_mapping.h"
#include "rag/rerank/http_cross_encoder.h"

namespace vouch {
namespace {

absl::Status AddReranker(const YAML::Node& node, const std::string& file,
                         const Environment& environment, CrossEncoders* encoders) {
  const std::string where = absl::StrCat("rerankers[", encoders->size(), "].");
  YamlMapping mapping(node, file, where,
                      {"name", "shape", "endpoint", "model", "api_key_env", "api_key_file", "path",
                       "max_document_bytes", "batch", "timeout_ms", "retries"});
  HttpCrossEncoderOptions options;
  std::string name;
  std::string shape;
  std::string variable;
  std::string key_file;
  for (const char* key : {"name", "shape", "endpoint", "model"}) mapping.Require(key);
  mapping.Take("name", &name);
  mapping.Take("shape", &shape);
  mapping.Take("endpoint", &options.endpoint);
  mapping.Take("model", &options.model);
  mapping.Take("api_key_env", &variable);
  mapping.Take("api_key_file", &key_file);
  mapping.Take("path", &options.document_path);
  mapping.TakeWhole<uint32_t>("max_document_bytes", &options.max_document_bytes, 4,
                              CrossEncoder::kMaxDocumentBytes);
  mapping.TakeWhole<uint32_t>("batch", &options.batch, 1, HttpCrossEncoderOptions::kMaxBatch);
  mapping.TakeWhole<int64_t>("timeout_ms", &options.timeout_ms, 1,
                             HttpCrossEncoderOptions::kMaxTimeoutMs);
  mapping.TakeWhole<int>("retries", &options.retries, 0, HttpCrossEncoderOptions::kMaxRetries);
  if (!mapping.status().ok()) return mapping.status();
  if (shape == "jina") {
    options.shape = RerankShape::kJina;
  } else if (shape != "cohere") {
    mapping.Fail(mapping.At("shape"), where + "shape",
                 absl::StrCat("is '", shape, "'; it takes cohere or jina"));
  }
  if (name.empty()) mapping.Fail(mapping.At("name"), where + "name", "is empty");
  if (encoders->contains(name)) {
    mapping.Fail(mapping.At("name"), where + "name", absl::StrCat("is '", name, "' twice"));
  }
  if (!mapping.status().ok()) return mapping.status();
  absl::StatusOr<std::string> api_key = ApiKey(variable, key_file, environment);
  if (!api_key.ok()) return api_key.status();
  options.api_key = *std::move(api_key);
  absl::StatusOr<std::shared_ptr<const CrossEncoder>> encoder =
      CreateHttpCrossEncoder(std::move(options));
  if (!encoder.ok()) {
    return absl::Status(encoder.status().code(),
                        absl::StrCat(file, ", line ", node.Mark().line + 1, ": ", name, ": ",
                                     encoder.status().message()));
  }
  encoders->emplace(std::move(name), *std::move(encoder));
  return absl::OkStatus();
}

absl::StatusOr<CrossEncoders> EncodersOf(const YAML::Node& root, const std::string& file,
                                         const Environment& environment) {
  YamlMapping mapping(root, file, "", {"rerankers"});
  mapping.Require("rerankers");
  if (!mapping.status().ok()) return mapping.status();
  const YAML::Node list = mapping.At("rerankers");
  if (!list.IsSequence() || list.size() == 0 || list.size() > kMaxRerankers) {
    mapping.Fail(list, "rerankers", absl::StrCat("takes a list of 1 to ", kMaxRerankers));
    return mapping.status();
  }
  CrossEncoders encoders;
  for (const YAML::Node& node : list) {
    if (absl::Status status = AddReranker(node, file, environment, &encoders); !status.ok()) {
      return status;
    }
  }
  return encoders;
}

}  // namespace

absl::StatusOr<CrossEncoders> ParseRerankerFile(const std::string& file_name,
                                                const std::string& text,
                                                const Environment& environment) {
  try {
    return EncodersOf(YAML::Load(text), file_name, environment);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file_name, ", line ", error.mark.line + 1,
                                                   ", column ", error.mark.column + 1,
                                                   ": not YAML: ", error.msg));
  }
}

absl::StatusOr<CrossEncoders> RerankersOf(const Config& config, const Environment& environment) {
  if (config.rerankers.empty()) return CrossEncoders();
  const absl::StatusOr<std::string> text =
      ReadWhole(config.rerankers, kMaxYamlFileBytes, "the file of rerankers");
  if (!text.ok()) return text.status();
  return ParseRerankerFile(config.rerankers, *text, environment);
}

}  // namespace vouch
