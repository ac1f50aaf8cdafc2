#include "rag/embed/openai_reply.h"

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using ReplyJson = nlohmann::json;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(Concat("the embeddings reply ", what));
}

absl::StatusOr<std::vector<float>> FromNumbers(const ReplyJson& list) {
  std::vector<float> vector;
  vector.reserve(list.size());
  for (const ReplyJson& item : list) {
    if (!item.is_number()) return Bad("has an embedding with an entry that is no number");
    vector.push_back(static_cast<float>(item.get<double>()));
  }
  return vector;
}

absl::StatusOr<std::vector<float>> FromBase64(const std::string& text) {
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes) || bytes.size() % sizeof(float) != 0) {
    return Bad("has an embedding that is no base64 of 32-bit floats");
  }
  std::vector<float> vector(bytes.size() / sizeof(float));
  if (!vector.empty()) std::memcpy(vector.data(), bytes.data(), bytes.size());
  return vector;
}

absl::StatusOr<std::vector<float>> ReadVector(const ReplyJson& embedding, uint32_t dim) {
  if (!embedding.is_array() && !embedding.is_string())
    return Bad("has an entry without an embedding");
  absl::StatusOr<std::vector<float>> vector =
      embedding.is_array() ? FromNumbers(embedding)
                           : FromBase64(embedding.get_ref<const std::string&>());
  if (!vector.ok()) return vector;
  if (vector->size() != dim) {
    return Bad(Concat("has a vector of ", vector->size(), " dimensions; the field has ", dim));
  }
  bool zero = true;
  for (float value : *vector) {
    if (!std::isfinite(value)) return Bad("has a vector with a number that is not finite");
    zero = zero && value == 0;
  }
  if (zero) vector->clear();
  return vector;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<float>>> ParseEmbeddingsReply(std::string_view body,
                                                                     size_t count, uint32_t dim) {
  const ReplyJson reply = ReplyJson::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!reply.is_object()) return Bad(Concat("is no JSON object (", body.size(), " bytes)"));
  const auto data = reply.find("data");
  if (data == reply.end() || !data->is_array()) return Bad("has no \"data\" array");
  if (data->size() != count) {
    return Bad(Concat("has ", data->size(), " vectors for ", count, " texts"));
  }
  std::vector<std::vector<float>> vectors(count);
  std::vector<bool> seen(count, false);
  for (const ReplyJson& item : *data) {
    if (!item.is_object()) return Bad("has an entry that is no object");
    const auto index = item.find("index");
    if (index == item.end() || !index->is_number_unsigned() || index->get<uint64_t>() >= count) {
      return Bad(Concat("has an entry without an index below ", count));
    }
    const size_t at = index->get<size_t>();
    if (seen[at]) return Bad(Concat("has index ", at, " twice"));
    seen[at] = true;
    const auto embedding = item.find("embedding");
    if (embedding == item.end()) return Bad("has an entry without an embedding");
    absl::StatusOr<std::vector<float>> vector = ReadVector(*embedding, dim);
    if (!vector.ok()) return vector.status();
    vectors[at] = *std::move(vector);
  }
  return vectors;
}

}  // namespace vouch
