// Hybrid search over gRPC: search HOST:PORT COLLECTION QUESTION (built by the CMakeLists.txt here)
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <iostream>

#include "vouch/v1/search.grpc.pb.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: search HOST:PORT COLLECTION QUESTION\n";
    return 2;
  }
  const std::string address = argv[1], collection = argv[2], question = argv[3];
  // [search]
  auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  auto search = vouch::v1::Search::NewStub(channel);

  vouch::v1::SearchRequest request;
  request.set_collection(collection);
  request.mutable_query()->mutable_text_query()->set_text(question);
  request.set_limit(5);

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  vouch::v1::SearchResponse reply;
  const grpc::Status status = search->Search(&context, request, &reply);
  if (!status.ok()) {
    std::cerr << "search failed: " << status.error_message() << '\n';
    return 1;
  }
  for (const auto& hit : reply.hits()) {
    std::cout << hit.score() << ' ' << hit.point().id().text() << '\n';
  }
  std::cout << "version " << reply.version() << '\n';
  // [search]
  return 0;
}
