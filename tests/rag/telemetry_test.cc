#include "rag/telemetry/otlp_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/model_server.h"

namespace vouch {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// What a real OTLP/HTTP collector would be told, and how it answers.
class Collector {
 public:
  explicit Collector(ModelServer::Reply reply = {.body = "{}"})
      : server_([this, reply](size_t number, const ModelServer::Request&) {
          return answer ? answer(number) : reply;
        }) {}

  std::string endpoint() const {
    const std::string url = server_.base_url();  // …/v1
    return url.substr(0, url.size() - 3);
  }
  std::vector<ModelServer::Request> requests() const { return server_.requests(); }
  std::vector<Json> Spans() const {
    std::vector<Json> spans;
    for (const ModelServer::Request& request : server_.requests()) {
      const Json body = Json::parse(request.body);
      for (const Json& span : body["resourceSpans"][0]["scopeSpans"][0]["spans"]) spans.push_back(span);
    }
    return spans;
  }
  std::function<ModelServer::Reply(size_t number)> answer;  // set before the first request

 private:
  ModelServer server_;
};

struct Counts {
  std::atomic<uint64_t> exported = 0;
  std::atomic<uint64_t> dropped = 0;
};

OtlpOptions OptionsFor(const Collector& collector, Counts* counts) {
  OtlpOptions options;
  options.endpoint = collector.endpoint();
  options.service_version = "1.2";
  options.batch_ms = 5;
  options.retry_pause_ms = 1;
  options.count = [counts](uint64_t exported, uint64_t dropped) {
    counts->exported += exported;
    counts->dropped += dropped;
  };
  return options;
}

Span SomeSpan(const std::string& name) {
  Span span;
  span.name = name;
  span.kind = Span::Kind::kClient;
  span.context = NewSpan({});
  span.start_us = 1'700'000'000'000'001;
  span.end_us = 1'700'000'000'000'500;
  span.Set("text", std::string("a\xFF"));
  span.Set("whole", int64_t{42});
  span.Set("share", 0.5);
  span.Set("yes", true);
  span.Set("list", std::vector<std::string>{"x", "y"});
  return span;
}

TEST(Traceparent, IsReadAndWritten) {
  const std::string header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const SpanContext context = ParseTraceparent(header);
  ASSERT_TRUE(context.valid());
  EXPECT_EQ(context.trace_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(FormatTraceparent(context), header);
  const SpanContext child = NewSpan(context);
  EXPECT_EQ(child.trace, context.trace);
  EXPECT_NE(child.span, context.span);
  EXPECT_FALSE(ParseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").sampled);
  EXPECT_TRUE(ParseTraceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").valid());
  for (const char* wrong :
       {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(ParseTraceparent(wrong).valid()) << wrong;
  }
}

TEST(Traceparent, IdsAreNeverTheSame) {
  std::set<std::string> ids;
  for (int i = 0; i < 1'000; ++i) ids.insert(NewSpan({}).trace_text());
  EXPECT_EQ(ids.size(), 1'000u);
}

TEST(OtlpExporter, SendsWhatTheProtocolWants) {
  Collector collector;
  Counts counts;
  const Span span = SomeSpan("chat m");
  {
    const auto exporter = OtlpExporter::Create(OptionsFor(collector, &counts)).value();
    exporter->Record(Span(span));
    Span failed = SomeSpan("embeddings e");
    failed.error = "no server";
    failed.parent = span.context.span;
    exporter->Record(std::move(failed));
  }
  ASSERT_FALSE(collector.requests().empty());
  EXPECT_EQ(collector.requests()[0].path, "/v1/traces");
  const Json request = Json::parse(collector.requests()[0].body);
  const Json& resource = request["resourceSpans"][0]["resource"]["attributes"];
  EXPECT_EQ(resource[0]["key"], "service.name");
  EXPECT_EQ(resource[0]["value"]["stringValue"], "vouch");
  const std::vector<Json> spans = collector.Spans();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0]["name"], "chat m");
  EXPECT_EQ(spans[0]["kind"], 3);
  EXPECT_EQ(spans[0]["traceId"], span.context.trace_text());
  EXPECT_EQ(spans[0]["spanId"], span.context.span_text());
  EXPECT_FALSE(spans[0].contains("parentSpanId"));
  EXPECT_EQ(spans[0]["startTimeUnixNano"], "1700000000000001000");
  EXPECT_EQ(spans[0]["endTimeUnixNano"], "1700000000000500000");
  const Json& attributes = spans[0]["attributes"];
  EXPECT_EQ(attributes[1], Json::parse(R"({"key":"whole","value":{"intValue":"42"}})"));
  EXPECT_EQ(attributes[2], Json::parse(R"({"key":"share","value":{"doubleValue":0.5}})"));
  EXPECT_EQ(attributes[3], Json::parse(R"({"key":"yes","value":{"boolValue":true}})"));
  EXPECT_EQ(attributes[4]["value"]["arrayValue"]["values"][1]["stringValue"], "y");
  EXPECT_EQ(spans[0]["status"]["code"], 0);
  EXPECT_EQ(spans[1]["parentSpanId"], span.context.span_text());
  EXPECT_EQ(spans[1]["status"], Json::parse(R"({"code":2,"message":"no server"})"));
  EXPECT_EQ(counts.exported, 2u);
  EXPECT_EQ(counts.dropped, 0u);
}

TEST(OtlpExporter, ABusyCollectorIsTriedAgain) {
  Collector collector;
  collector.answer = [](size_t number) {
    return number == 0 ? ModelServer::Reply{.status = 503, .body = "busy"} : ModelServer::Reply{.body = "{}"};
  };
  Counts counts;
  OtlpOptions options = OptionsFor(collector, &counts);
  const auto exporter = OtlpExporter::Create(std::move(options)).value();
  exporter->Record(SomeSpan("a"));
  while (counts.exported + counts.dropped < 1) std::this_thread::yield();
  EXPECT_EQ(counts.exported, 1u);
  EXPECT_EQ(collector.requests().size(), 2u);
}

TEST(OtlpExporter, WhatACollectorRefusesIsDroppedAndCounted) {
  Collector collector({.status = 400, .body = "no"});
  Counts counts;
  {
    const auto exporter = OtlpExporter::Create(OptionsFor(collector, &counts)).value();
    exporter->Record(SomeSpan("a"));
  }
  EXPECT_EQ(counts.dropped, 1u);
  EXPECT_EQ(collector.requests().size(), 1u);
}

// Nobody listens, or somebody who never answers: Record goes on as before, and the queue keeps its bound.
TEST(OtlpExporter, NeverWaitsForACollector) {
  Collector silent({.pieces = {{.bytes = "x"}}, .end = ModelServer::End::kSilent});
  for (const std::string& endpoint : {std::string("http://127.0.0.1:1"), silent.endpoint()}) {
    Counts counts;
    OtlpOptions options = OptionsFor(silent, &counts);
    options.endpoint = endpoint;
    options.queue_spans = 10;
    options.batch_spans = 5;
    options.timeout_ms = 200;
    options.retries = 0;
    {
      const auto exporter = OtlpExporter::Create(std::move(options)).value();
      for (int i = 0; i < 1'000; ++i) exporter->Record(SomeSpan("a"));
    }
    EXPECT_EQ(counts.exported, 0u) << endpoint;
    EXPECT_EQ(counts.dropped, 1'000u) << endpoint;
  }
}

TEST(OtlpExporter, SpansThatAreNotSampledAreNotSent) {
  Collector collector;
  Counts counts;
  {
    const auto exporter = OtlpExporter::Create(OptionsFor(collector, &counts)).value();
    Span span = SomeSpan("a");
    span.context.sampled = false;
    exporter->Record(std::move(span));
  }
  EXPECT_TRUE(collector.requests().empty());
  EXPECT_EQ(counts.dropped, 0u);
}

TEST(OtlpExporter, TakesManyThreads) {
  Collector collector;
  Counts counts;
  {
    const auto exporter = OtlpExporter::Create(OptionsFor(collector, &counts)).value();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) exporter->Record(SomeSpan("a"));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(counts.exported, 400u);
  EXPECT_EQ(collector.Spans().size(), 400u);
}

TEST(OtlpExporter, TakesAUrlAlone) {
  EXPECT_TRUE(CheckOtlpEndpoint("http://localhost:4318").ok());
  EXPECT_THAT(std::string(CheckOtlpEndpoint("localhost:4318").message()), HasSubstr("it takes a URL"));
  EXPECT_FALSE(OtlpExporter::Create({.endpoint = "https://"}).ok());
}

}  // namespace
}  // namespace vouch
