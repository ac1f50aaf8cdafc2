#include "rag/lineage.h"

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "vouch/v1/lineage.grpc.pb.h"

namespace vouch {
namespace {

void Fill(LineageGraph&& graph, v1::LineageGraph* message) {
  for (LineageNode& node : graph.nodes) {
    v1::LineageNode* added = message->add_nodes();
    added->set_kind(std::move(node.kind));
    added->set_id(std::move(node.id));
    added->set_label(std::move(node.label));
  }
  for (LineageEdge& edge : graph.edges) {
    v1::LineageEdge* added = message->add_edges();
    added->set_from(edge.from);
    added->set_to(edge.to);
    added->set_what(std::move(edge.what));
  }
  message->set_answers_read(graph.answers_read);
  message->set_more(graph.more);
}

class LineageService final : public v1::Lineage::Service {
 public:
  explicit LineageService(const ServiceContext& context) : services_(context) {}

  grpc::Status TraceAnswer(grpc::ServerContext* context, const v1::TraceAnswerRequest* request,
                           v1::LineageGraph* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const absl::StatusOr<Answer> answer =
          GetAnswer(*services_.database, PrincipalOf(*context), request->id());
      if (!answer.ok()) return answer.status();
      Fill(vouch::TraceAnswer(*answer), reply);
      return absl::OkStatus();
    });
  }

  grpc::Status FindAnswers(grpc::ServerContext* context, const v1::FindAnswersRequest* request,
                           v1::LineageGraph* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      FindAnswersRequest find{.kind = request->kind(), .id = request->id()};
      if (request->limit() != 0) find.limit = request->limit();
      find.principal = PrincipalOf(*context);
      find.cancel = CancelOf(*context);
      absl::StatusOr<LineageGraph> graph = vouch::FindAnswers(*services_.database, find);
      if (!graph.ok()) return graph.status();
      Fill(*std::move(graph), reply);
      return absl::OkStatus();
    });
  }

 private:
  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewLineageService(const ServiceContext& context) {
  return std::make_unique<LineageService>(context);
}

}  // namespace vouch
