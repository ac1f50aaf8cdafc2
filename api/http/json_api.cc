// The messages of every service as JSON, by protobuf's own mapping: POST /vouch/v1/SERVICE/METHOD.
// A method that streams takes and gives a line a message.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "api/http/connection.h"
#include "api/http/http_context.h"
#include "api/http/http_status.h"

namespace vouch {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

constexpr std::string_view kPrefix = "/vouch/v1";

std::unique_ptr<Message> NewMessage(const Descriptor& descriptor) {
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(&descriptor)->New());
}

absl::Status ReadJson(std::string_view text, const std::string& what, Message* message) {
  if (absl::StripAsciiWhitespace(absl::string_view(text.data(), text.size())).empty())
    return absl::OkStatus();
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is no ", message->GetTypeName(), " as JSON: ",
                   std::string(status.message().data(), status.message().size())));
}

absl::StatusOr<std::string> WriteJson(const Message& message) {
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text);
  if (status.ok()) return text;
  return absl::InternalError(absl::StrCat(
      message.GetTypeName(), ": ", std::string(status.message().data(), status.message().size())));
}

void Fail(const absl::Status& status, httplib::Response* response) {
  response->status = HttpStatusOf(status.code());
  response->set_content(ErrorJson(status), "application/json");
}

// The service that serves "Answers", where it is one of those served.
const ServiceDescriptor* FindService(const HttpContext& context, const std::string& name) {
  const std::string full_name = absl::StrCat("vouch.v1.", name);
  for (const std::string& service : context.services) {
    if (service == full_name) {
      return DescriptorPool::generated_pool()->FindServiceByName(full_name);
    }
  }
  return nullptr;
}

std::string ListMethods(const HttpContext& context) {
  std::string list;
  for (const std::string& name : context.services) {
    const ServiceDescriptor* service = DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) continue;
    for (int i = 0; i < service->method_count(); ++i) {
      absl::StrAppend(&list, list.empty() ? "" : ",", "\"", std::string(kPrefix), "/",
                      service->name(), "/", service->method(i)->name(), "\"");
    }
  }
  return absl::StrCat("{\"methods\":[", list, "]}");
}

// Writes a reply a line. An error that comes after the first line is the last line.
class LineStream {
 public:
  LineStream(std::unique_ptr<RpcCall> call, std::unique_ptr<Message> reply)
      : call_(std::move(call)), reply_(std::move(reply)) {}

  bool Run(httplib::DataSink& sink) {
    do {
      absl::StatusOr<std::string> line = WriteJson(*reply_);
      if (!line.ok()) return End(line.status(), sink);
      if (!Write(absl::StrCat("{\"result\":", *line, "}\n"), sink)) return false;
      reply_->Clear();
    } while (call_->Read(reply_.get()));
    return End(call_->Finish(), sink);
  }

 private:
  static bool Write(const std::string& text, httplib::DataSink& sink) {
    return sink.write(text.data(), text.size()) && !HttpConnection::Current().closes();
  }
  bool End(const absl::Status& status, httplib::DataSink& sink) {
    if (!status.ok() && !Write(ErrorJson(status) + "\n", sink)) return false;
    sink.done();
    return true;
  }

  std::unique_ptr<RpcCall> call_;
  std::unique_ptr<Message> reply_;  // the first one is read
};

absl::StatusOr<std::vector<std::unique_ptr<Message>>> ReadRequests(const MethodDescriptor& method,
                                                                   const std::string& body) {
  std::vector<std::unique_ptr<Message>> requests;
  if (!method.client_streaming()) {
    requests.push_back(NewMessage(*method.input_type()));
    absl::Status status = ReadJson(body, "the body", requests.back().get());
    if (!status.ok()) return status;
    return requests;
  }
  size_t number = 0;
  for (absl::string_view line : absl::StrSplit(body, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    requests.push_back(NewMessage(*method.input_type()));
    absl::Status status = ReadJson(std::string_view(line.data(), line.size()),
                                   absl::StrCat("line ", number), requests.back().get());
    if (!status.ok()) return status;
  }
  return requests;
}

void CallMethod(const HttpContext& context, const MethodDescriptor& method,
                const httplib::Request& request, const std::string& body,
                httplib::Response* response) {
  absl::StatusOr<RpcOptions> options = RpcOptionsOf(request);
  if (!options.ok()) return Fail(options.status(), response);
  const auto requests = ReadRequests(method, body);
  if (!requests.ok()) return Fail(requests.status(), response);
  auto call = std::make_unique<RpcCall>(
      context.channel, absl::StrCat(method.service()->full_name(), "/", method.name()),
      *std::move(options));
  bool open = true;
  for (size_t i = 0; i < requests->size() && open; ++i) open = call->Write(*(*requests)[i]);
  if (open) (void)call->WritesDone();
  std::unique_ptr<Message> reply = NewMessage(*method.output_type());
  const bool replied = call->Read(reply.get());
  if (replied && method.server_streaming()) {
    auto lines = std::make_shared<LineStream>(std::move(call), std::move(reply));
    response->status = 200;
    response->set_header("Cache-Control", "no-cache");
    return response->set_chunked_content_provider(
        "application/x-ndjson",
        [lines](size_t, httplib::DataSink& sink) { return lines->Run(sink); });
  }
  if (absl::Status status = call->Finish(); !status.ok()) return Fail(status, response);
  response->status = 200;
  if (!replied) return response->set_content("", "application/x-ndjson");  // a stream of nothing
  absl::StatusOr<std::string> text = WriteJson(*reply);
  if (!text.ok()) return Fail(text.status(), response);
  response->set_content(*text, "application/json");
}

}  // namespace

void ServeJsonApi(const HttpContext& context, const httplib::Request& request,
                  const std::string& body, httplib::Response* response) {
  const std::string rest = request.path.substr(kPrefix.size());
  if (rest.empty() || rest == "/") {
    response->status = 200;
    return response->set_content(ListMethods(context), "application/json");
  }
  const std::vector<std::string> parts = absl::StrSplit(rest.substr(1), '/');
  const ServiceDescriptor* service = FindService(context, parts[0]);
  const MethodDescriptor* method = service == nullptr || parts.size() != 2
                                       ? nullptr
                                       : service->FindMethodByName(parts[1]);
  if (method == nullptr) {
    return Fail(absl::NotFoundError(absl::StrCat("there is no method '", rest.substr(1),
                                                 "'; GET ", std::string(kPrefix), " lists all")),
                response);
  }
  if (request.method != "POST") {
    response->set_header("Allow", "POST");
    Fail(absl::InvalidArgumentError(
             absl::StrCat(request.path, " takes POST, not ", request.method)),
         response);
    response->status = 405;
    return;
  }
  CallMethod(context, *method, request, body, response);
}

}  // namespace vouch
