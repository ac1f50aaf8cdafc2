// POST /v1/chat/completions: a question to a pipeline or a collection, answered and recorded as by Ask, in OpenAI's
// words. Whole, or as server-sent events.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/http/chat_request.h"
#include "api/http/connection.h"
#include "api/http/http_context.h"
#include "api/http/http_status.h"
#include "nlohmann/json.hpp"
#include "rag/answer_id.h"
#include "vouch/v1/answers.pb.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kAskStream[] = "vouch.v1.Answers/AskStream";
constexpr char kGetAnswer[] = "vouch.v1.Answers/GetAnswer";

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Fail(const absl::Status& status, const std::string& param, httplib::Response* response) {
  response->status = HttpStatusOf(status.code());
  if (response->status == 429 || response->status == 503) response->set_header("Retry-After", "1");
  response->set_content(OpenAiErrorJson(status, param), "application/json");
}

// How many characters (code points) the first `bytes` of UTF-8 are: OpenAI's indexes count those.
uint64_t CharactersIn(const std::string& text, uint64_t bytes) {
  uint64_t characters = 0;
  for (uint64_t i = 0; i < bytes && i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) ++characters;
  }
  return characters;
}

std::string PercentEncoded(const std::string& text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', kDigits[static_cast<unsigned char>(c) >> 4], kDigits[c & 0xF]};
    }
  }
  return encoded;
}

// Of a point that users wrote themselves, its id.
std::string DocumentOf(const v1::Citation& citation) {
  if (!citation.document().empty()) return citation.document();
  const v1::PointId& point = citation.point();
  return point.id_case() == v1::PointId::kNumber ? absl::StrCat(point.number()) : point.text();
}

// "vouchdb://docs/notes/storage.md?v=3#b=10-42": the bytes of the document that a citation rests on.
std::string SourceUrl(const v1::Answer& answer, const v1::Citation& citation) {
  return absl::StrCat("vouchdb://", PercentEncoded(answer.collection()), "/",
                      PercentEncoded(DocumentOf(citation)), "?v=", answer.version(),
                      "#b=", citation.source().begin(), "-", citation.source().end());
}

std::string TitleOf(const v1::Answer& answer, const v1::Citation& citation) {
  for (const v1::AnswerSource& source : answer.sources()) {
    if (source.number() == citation.source_number() && !source.title().empty()) return source.title();
  }
  return DocumentOf(citation);
}

Json AnnotationsOf(const v1::Answer& answer) {
  Json list = Json::array();
  for (const v1::Citation& citation : answer.citations()) {
    list.push_back(
        {{"type", "url_citation"},
         {"url_citation",
          {{"start_index", CharactersIn(answer.text(), citation.answer().begin())},
           {"end_index", CharactersIn(answer.text(), citation.answer().end())},
           {"title", TitleOf(answer, citation)},
           {"url", SourceUrl(answer, citation)}}}});
  }
  return list;
}

// What OpenAI's format has no place for; its clients keep fields that they do not know.
Json ExtensionOf(const v1::Answer& answer) {
  Json citations = Json::array();
  for (const v1::Citation& citation : answer.citations()) {
    citations.push_back({{"source_number", citation.source_number()},
                         {"document", citation.document()},
                         {"uri", citation.uri()},
                         {"source_hash", citation.source_hash()},
                         {"source", {citation.source().begin(), citation.source().end()}},
                         {"answer", {citation.answer().begin(), citation.answer().end()}},
                         {"quote", citation.quote()},
                         {"verified", citation.verified()}});
  }
  Json extension = {{"answer_id", answer.id()},
                    {"collection", answer.collection()},
                    {"version", answer.version()},
                    {"pipeline", answer.pipeline()},
                    {"pipeline_hash", answer.pipeline_hash()},
                    {"generator", answer.generator()},
                    {"abstained", answer.abstained()},
                    {"citations", std::move(citations)}};
  if (answer.has_generation()) extension["grounding"] = answer.generation().grounding();
  if (!answer.trace_id().empty()) extension["trace_id"] = answer.trace_id();
  return extension;
}

Json UsageOf(const v1::Answer& answer) {
  const v1::TokenUsage& usage = answer.generation().usage();
  return {{"prompt_tokens", usage.prompt_tokens()},
          {"completion_tokens", usage.completion_tokens()},
          {"total_tokens", usage.prompt_tokens() + usage.completion_tokens()}};
}

std::string FinishReasonOf(const v1::Answer& answer) {
  const std::string& reason = answer.generation().finish_reason();
  return reason == "length" || reason == "content_filter" ? reason : "stop";
}

// One answer as it comes, event by event. What it streamed and then withdrew is said to be so.
class ChatStream {
 public:
  ChatStream(const HttpContext& context, ChatRequest request, RpcOptions options)
      : context_(context),
        request_(std::move(request)),
        options_(std::move(options)),
        created_(absl::ToUnixSeconds(absl::Now())),
        id_("chatcmpl-" + MakeUuidV7(absl::ToUnixMicros(absl::Now()), RandomBytes())) {}

  // Asks, and waits for what comes first: an error until then is a reply of its own, so that nothing is sent before.
  absl::Status Begin() {
    // It is asked again and again while a call waits, on the thread that writes.
    options_.gone = [this, gone = options_.gone] {
      return !KeepAlive() || gone();
    };
    call_ = std::make_unique<RpcCall>(context_.channel, kAskStream, options_);
    if (call_->Write(request_.ask)) (void)call_->WritesDone();
    if (call_->Read(&event_)) return absl::OkStatus();
    return call_->Finish();
  }

  bool Run(httplib::DataSink& sink) {
    sink_ = &sink;  // from here on the head is out
    const bool sent = SendAll(sink);
    sink_ = nullptr;
    return sent;
  }

 private:
  bool SendAll(httplib::DataSink& sink) {
    if (!Send({{"role", "assistant"}, {"content", ""}}, nullptr, sink)) return false;
    std::string sent;
    v1::AskEvent::Done done;
    do {
      if (event_.has_done()) done = event_.done();
      if (event_.has_citations()) citations_ = event_.citations();
      if (event_.event_case() != v1::AskEvent::kText) continue;
      sent += event_.text();
      if (!Send({{"content", event_.text()}}, nullptr, sink)) return false;
    } while (call_->Read(&event_));
    if (absl::Status status = call_->Finish(); !status.ok()) return SendError(status, sink);
    if (sent != done.text()) {
      const std::string rest = absl::StrCat(sent.empty() ? "" : "\n\nWithdrawn. ", done.text());
      if (!Send({{"content", rest}}, nullptr, sink)) return false;
    }
    return End(done, sink);
  }

  // A comment, which readers of events pass over, where nothing else was sent for long. False: the peer takes nothing.
  bool KeepAlive() {
    constexpr std::string_view kComment = ": keep-alive\n\n";
    if (sink_ == nullptr || broken_) return !broken_;
    if (std::chrono::steady_clock::now() - last_write_ < context_.keep_alive) return true;
    last_write_ = std::chrono::steady_clock::now();
    broken_ = !sink_->write(kComment.data(), kComment.size()) || HttpConnection::Current().closes();
    return !broken_;
  }

  Json Chunk(Json choices) const {
    Json chunk = {{"id", id_},
                  {"object", "chat.completion.chunk"},
                  {"created", created_},
                  {"model", request_.model},
                  {"choices", std::move(choices)}};
    if (request_.include_usage) chunk["usage"] = nullptr;
    return chunk;
  }

  bool Write(const std::string& data, httplib::DataSink& sink) {
    last_write_ = std::chrono::steady_clock::now();
    const std::string event = absl::StrCat("data: ", data, "\n\n");
    return sink.write(event.data(), event.size()) && !HttpConnection::Current().closes();
  }

  static Json ChoiceOf(Json delta, Json finish_reason) {
    return Json::array({{{"index", 0},
                         {"delta", std::move(delta)},
                         {"logprobs", nullptr},
                         {"finish_reason", std::move(finish_reason)}}});
  }

  bool Send(Json delta, Json finish_reason, httplib::DataSink& sink) {
    return Write(Dump(Chunk(ChoiceOf(std::move(delta), std::move(finish_reason)))), sink);
  }

  // Clients raise it; a stream that ends so has no [DONE].
  bool SendError(const absl::Status& status, httplib::DataSink& sink) {
    if (!Write(OpenAiErrorJson(status), sink)) return false;
    sink.done();
    return true;
  }

  bool End(const v1::AskEvent::Done& done, httplib::DataSink& sink) {
    v1::GetAnswerRequest get;
    get.set_id(done.id());
    v1::Answer answer;
    absl::Status status = CallUnary(context_.channel, kGetAnswer, get, &answer, options_);
    if (!status.ok()) return SendError(status, sink);
    // The caller gets the answer whole, whatever the pipeline's patterns cover in its record.
    answer.set_text(done.text());
    *answer.mutable_citations() = citations_.citations();
    // The last piece of content carries what it rests on.
    Json last = Chunk(ChoiceOf({{"content", ""}, {"annotations", AnnotationsOf(answer)}}, nullptr));
    last["vouch"] = ExtensionOf(answer);
    if (!Write(Dump(last), sink)) return false;
    if (!Send(Json::object(), FinishReasonOf(answer), sink)) return false;
    if (request_.include_usage) {
      Json usage = Chunk(Json::array());
      usage["usage"] = UsageOf(answer);
      if (!Write(Dump(usage), sink)) return false;
    }
    if (!Write("[DONE]", sink)) return false;
    sink.done();
    return true;
  }

  const HttpContext& context_;
  const ChatRequest request_;
  RpcOptions options_;
  const int64_t created_;
  const std::string id_;
  httplib::DataSink* sink_ = nullptr;  // null: nothing may be sent yet, or any more
  std::chrono::steady_clock::time_point last_write_ = {};
  bool broken_ = false;  // a comment could not be sent
  std::unique_ptr<RpcCall> call_;
  v1::AskEvent event_;
  v1::AskEvent::Citations citations_;
};

std::string CompletionOf(const v1::Answer& answer, const std::string& model) {
  return Dump({{"id", "chatcmpl-" + answer.id()},
               {"object", "chat.completion"},
               {"created", answer.time_us() / 1'000'000},
               {"model", model},
               {"choices",
                Json::array({{{"index", 0},
                              {"message",
                               {{"role", "assistant"},
                                {"content", answer.text()},
                                {"refusal", nullptr},
                                {"annotations", AnnotationsOf(answer)}}},
                              {"logprobs", nullptr},
                              {"finish_reason", FinishReasonOf(answer)}}})},
               {"usage", UsageOf(answer)},
               {"vouch", ExtensionOf(answer)}});
}

}  // namespace

void ServeChatCompletions(const HttpContext& context, const httplib::Request& request,
                          const std::string& body, httplib::Response* response) {
  if (request.method != "POST") {
    response->set_header("Allow", "POST");
    Fail(absl::InvalidArgumentError("/v1/chat/completions takes POST"), "", response);
    response->status = 405;
    return;
  }
  ChatRequest chat;
  std::string param;
  if (absl::Status status = ParseChatRequest(body, &chat, &param); !status.ok())
    return Fail(status, param, response);
  absl::StatusOr<RpcOptions> options = RpcOptionsOf(request);
  if (!options.ok()) return Fail(options.status(), "", response);
  if (!chat.stream) {
    v1::Answer answer;
    absl::Status status = CallUnary(context.channel, "vouch.v1.Answers/Ask", chat.ask, &answer,
                                    *std::move(options));
    if (!status.ok()) return Fail(status, "", response);
    response->status = 200;
    return response->set_content(CompletionOf(answer, chat.model), "application/json");
  }
  auto stream = std::make_shared<ChatStream>(context, std::move(chat), *std::move(options));
  if (absl::Status status = stream->Begin(); !status.ok()) return Fail(status, "", response);
  response->status = 200;
  response->set_header("Cache-Control", "no-cache");
  response->set_header("X-Accel-Buffering", "no");
  response->set_chunked_content_provider(
      "text/event-stream",
      [stream](size_t, httplib::DataSink& sink) { return stream->Run(sink); });
}

}  // namespace vouch
