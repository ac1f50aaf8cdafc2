// POST /v1/embeddings: texts as vectors, by a collection's own embedder.
#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "api/http/http_context.h"
#include "api/http/http_status.h"
#include "nlohmann/json.hpp"
#include "rag/llm/token_usage.h"
#include "vouch/v1/embeddings.pb.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "base64 is of little-endian floats");

struct EmbeddingsRequest {
  std::string model = {};  // "[collection:]NAME[/FIELD]"
  bool base64 = false;
  v1::EmbedRequest embed = {};
};

void RefuseEmbeddings(const absl::Status& status, const std::string& param, httplib::Response* response) {
  response->status = HttpStatusOf(status.code());
  if (response->status == 429 || response->status == 503) response->set_header("Retry-After", "1");
  response->set_content(OpenAiErrorJson(status, param), "application/json");
}

absl::Status Wrong(const std::string& name, const std::string& what, std::string* param) {
  *param = name;
  return absl::InvalidArgumentError(absl::StrCat(name, " ", what));
}

absl::Status TakeInput(const Json& json, EmbeddingsRequest* request, std::string* param) {
  const auto input = json.find("input");
  if (input != json.end() && input->is_string()) {
    request->embed.add_texts(input->get<std::string>());
    return absl::OkStatus();
  }
  if (input == json.end() || !input->is_array() || input->empty()) {
    return Wrong("input", "takes a text or a list of texts", param);
  }
  for (size_t i = 0; i < input->size(); ++i) {
    if (!(*input)[i].is_string()) {
      return Wrong(absl::StrCat("input[", i, "]"),
                   "is no text; tokens are of one model's vocabulary, which is not known here", param);
    }
    request->embed.add_texts((*input)[i].get<std::string>());
  }
  return absl::OkStatus();
}

absl::Status Parse(const std::string& body, EmbeddingsRequest* request, std::string* param) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the body is no JSON object");
  const auto model = json.find("model");
  if (model == json.end() || !model->is_string() || model->get_ref<const std::string&>().empty()) {
    return Wrong("model", "takes a collection's name", param);
  }
  request->model = model->get<std::string>();
  std::string name = request->model;
  if (name.starts_with("collection:")) name = name.substr(std::string("collection:").size());
  const size_t slash = name.find('/');
  request->embed.set_collection(name.substr(0, slash));
  if (slash != std::string::npos) request->embed.set_field(name.substr(slash + 1));
  const auto format = json.find("encoding_format");
  if (format != json.end() && !format->is_null()) {
    if (*format != "float" && *format != "base64")
      return Wrong("encoding_format", "takes float or base64", param);
    request->base64 = *format == "base64";
  }
  return TakeInput(json, request, param);
}

std::string ReplyOf(const EmbeddingsRequest& request, const v1::EmbedResponse& embedded) {
  Json data = Json::array();
  uint64_t tokens = 0;
  for (int i = 0; i < embedded.vectors_size(); ++i) {
    tokens += EstimateTokens(request.embed.texts(i));
    std::vector<float> values(embedded.vectors(i).values().begin(),
                              embedded.vectors(i).values().end());
    values.resize(embedded.dim(), 0.0F);  // of a text without a known word: zeros
    Json embedding;
    if (request.base64) {
      embedding = absl::Base64Escape(absl::string_view(
          reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    } else {
      embedding = values;
    }
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", std::move(embedding)}});
  }
  return Json{{"object", "list"},
              {"data", std::move(data)},
              {"model", request.model},
              {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}},
              {"vouch", {{"embedder", embedded.embedder()}, {"version", embedded.version()}}}}
      .dump();
}

}  // namespace

void ServeEmbeddings(const HttpContext& context, const httplib::Request& request,
                     const std::string& body, httplib::Response* response) {
  if (request.method != "POST") {
    response->set_header("Allow", "POST");
    RefuseEmbeddings(absl::InvalidArgumentError("/v1/embeddings takes POST"), "", response);
    response->status = 405;
    return;
  }
  EmbeddingsRequest parsed;
  std::string param;
  if (absl::Status status = Parse(body, &parsed, &param); !status.ok())
    return RefuseEmbeddings(status, param, response);
  absl::StatusOr<RpcOptions> options = RpcOptionsOf(request);
  if (!options.ok()) return RefuseEmbeddings(options.status(), "", response);
  v1::EmbedResponse embedded;
  absl::Status status = CallUnary(context.channel, "vouch.v1.Embeddings/Embed", parsed.embed,
                                  &embedded, *std::move(options));
  if (!status.ok()) return RefuseEmbeddings(status, "", response);
  response->status = 200;
  response->set_content(ReplyOf(parsed, embedded), "application/json");
}

}  // namespace vouch
