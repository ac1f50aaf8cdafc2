#include "rag/ask_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "tests/rag/ingested_collection.h"
#include "tests/support/model_server.h"

namespace vouch {
namespace {

class Recorder final : public Tracer {
 public:
  void Record(Span&& span) override {
    const std::lock_guard lock(mu_);
    spans_.push_back(std::move(span));
  }
  std::map<std::string, Span> ByName() const {
    std::map<std::string, Span> named;
    for (const Span& span : spans_) named[span.name] = span;
    return named;
  }
  size_t size() const { return spans_.size(); }

 private:
  std::mutex mu_;
  std::vector<Span> spans_;
};

SpanValue At(const Span& span, const std::string& key) {
  for (const auto& [name, value] : span.attributes) {
    if (name == key) return value;
  }
  return std::string("(none)");
}

class AskTraceTest : public ::testing::Test {
 protected:
  AskTraceTest() {
    docs_.AddDocument("guide.md", MediaType::kMarkdown, "# Backup\n\nA backup is incremental: days share their files.\n");
    docs_.Commit();
    request_.collection = "docs";
    request_.question = "What is a backup?";
    request_.tracer = &recorder_;
  }

  IngestedCollection docs_;
  Recorder recorder_;
  AskRequest request_;
};

TEST_F(AskTraceTest, AnAskHasSpansForItsSteps) {
  ModelServer server([](size_t number, const ModelServer::Request&) {
    if (number == 0) return ModelServer::Reply{.status = 500, .body = "{}"};
    return ChatStream("A backup is incremental [1].", 9, 4);
  });
  SpendLedger ledger(docs_.database->store().catalog(), docs_.clock);
  RouteSpec spec;
  spec.first_pause_ms = 1;
  spec.tiers = {{.name = "small", .endpoint = {.base_url = server.base_url(), .model = "m1"}, .parameters = {}}};
  const auto route = ModelRoute::Create(std::move(spec), {.ledger = ledger}).value();
  request_.route = route.get();
  request_.parent = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  const Answer answer = Ask(*docs_.database, docs_.embedders, request_).value();
  EXPECT_EQ(TraceIdOf(answer), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(TraceIdOf(GetAnswer(*docs_.database, {}, answer.id).value()), TraceIdOf(answer)) << "the record has it";
  EXPECT_EQ(recorder_.size(), 5u) << "ask, retrieval, embeddings, two tries";

  const auto spans = recorder_.ByName();
  const Span& root = spans.at("invoke_workflow docs");
  EXPECT_EQ(root.parent, request_.parent.span);
  EXPECT_EQ(At(root, "gen_ai.operation.name"), SpanValue("invoke_workflow"));
  EXPECT_EQ(At(root, "gen_ai.response.id"), SpanValue(answer.id));
  const Span& retrieval = spans.at("retrieval docs");
  EXPECT_EQ(retrieval.kind, Span::Kind::kClient);
  EXPECT_EQ(retrieval.parent, root.context.span);
  EXPECT_EQ(At(retrieval, "gen_ai.data_source.id"), SpanValue("docs"));
  EXPECT_EQ(At(retrieval, "gen_ai.request.top_k"), SpanValue(int64_t{8}));
  const Span& chat = spans.at("chat m1");  // the last one
  EXPECT_EQ(At(chat, "gen_ai.provider.name"), SpanValue("openai"));
  EXPECT_EQ(At(chat, "gen_ai.request.model"), SpanValue("m1"));
  EXPECT_EQ(At(chat, "gen_ai.usage.input_tokens"), SpanValue(int64_t{9}));
  EXPECT_EQ(At(chat, "gen_ai.usage.output_tokens"), SpanValue(int64_t{4}));
  EXPECT_EQ(At(chat, "gen_ai.response.finish_reasons"), SpanValue(std::vector<std::string>{"stop"}));
  EXPECT_EQ(At(chat, "server.address"), SpanValue("127.0.0.1"));
  const Span& embeddings = spans.at("embeddings builtin/lsa");
  EXPECT_EQ(At(embeddings, "gen_ai.embeddings.dimension.count"), SpanValue(int64_t{32}));
  for (const auto& [name, span] : spans) {
    EXPECT_EQ(span.context.trace, answer.trace.trace) << name;
    EXPECT_LE(span.start_us, span.end_us) << name;
    for (const auto& [key, value] : span.attributes) {
      if (const auto* text = std::get_if<std::string>(&value)) {
        EXPECT_EQ(text->find("incremental"), std::string::npos) << "no content in " << key;
      }
    }
  }
}

TEST_F(AskTraceTest, AFailedAskHasAnErrorAndNoRecord) {
  request_.collection = "nothing";
  EXPECT_FALSE(Ask(*docs_.database, docs_.embedders, request_).ok());
  const Span root = recorder_.ByName().at("invoke_workflow nothing");
  EXPECT_EQ(At(root, "error.type"), SpanValue("NOT_FOUND"));
  EXPECT_FALSE(root.error.empty());
  EXPECT_EQ(recorder_.size(), 1u);
}

TEST_F(AskTraceTest, WithoutATracerTheTraceGoesOn) {
  request_.tracer = nullptr;
  EXPECT_EQ(TraceIdOf(Ask(*docs_.database, docs_.embedders, request_).value()), "");
  request_.parent = ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(TraceIdOf(Ask(*docs_.database, docs_.embedders, request_).value()), "4bf92f3577b34da6a3ce929d0e0e4736");
}

}  // namespace
}  // namespace vouch
