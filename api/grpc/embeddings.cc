#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/convert.h"
#include "api/grpc/read_page.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "rag/retriever.h"
#include "vouch/v1/embeddings.grpc.pb.h"

namespace vouch {
namespace {

class EmbeddingsService final : public v1::Embeddings::Service {
 public:
  explicit EmbeddingsService(const ServiceContext& context) : services_(context) {}

  grpc::Status Embed(grpc::ServerContext* context, const v1::EmbedRequest* request,
                     v1::EmbedResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (absl::Status status = Check(*request); !status.ok()) return status;
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      absl::StatusOr<Version> version = ResolveRead(**collection, request->at(), "");
      if (!version.ok()) return version.status();
      const std::vector<std::string> texts(request->texts().begin(), request->texts().end());
      absl::StatusOr<EmbeddedTexts> embedded =
          EmbedTexts(**collection, *services_.embedders, request->field(), texts, *version,
                     CancelOf(*context));
      if (!embedded.ok()) return embedded.status();
      reply->set_version(version->value);
      reply->set_embedder(std::move(embedded->embedder));
      reply->set_dim(embedded->dim);
      for (const std::vector<float>& vector : embedded->vectors) {
        reply->add_vectors()->mutable_values()->Assign(vector.begin(), vector.end());
      }
      return absl::OkStatus();
    });
  }

 private:
  static absl::Status Check(const v1::EmbedRequest& request) {
    if (request.texts().empty() ||
        static_cast<uint32_t>(request.texts_size()) > ApiLimits::kMaxEmbeddedTexts) {
      return absl::InvalidArgumentError(absl::StrCat(
          "texts has ", request.texts_size(), " items; it takes 1 to ", ApiLimits::kMaxEmbeddedTexts));
    }
    for (int i = 0; i < request.texts_size(); ++i) {
      const std::string& text = request.texts(i);
      if (text.empty() || text.size() > QueryLimits::kMaxQueryTextBytes) {
        return absl::InvalidArgumentError(absl::StrCat("texts[", i, "] has ", text.size(),
                                                       " bytes; it takes 1 to ",
                                                       QueryLimits::kMaxQueryTextBytes));
      }
    }
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewEmbeddingsService(const ServiceContext& context) {
  return std::make_unique<EmbeddingsService>(context);
}

}  // namespace vouch
