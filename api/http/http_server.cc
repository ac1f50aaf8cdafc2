#include "api/http/http_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "api/http/connection.h"
#include "api/http/http_context.h"
#include "api/http/http_status.h"
#include "api/http/worker_threads.h"
#include "api/metrics.h"
#include "rag/telemetry/span.h"

namespace vouch {
namespace {

constexpr size_t kHeadBytes = size_t{64} << 10;  // a request's beside its body
constexpr int kRefusalWaitMs = 20;
constexpr int kMaxWaiting = 1'024;  // connections; the system takes fewer where net.core.somaxconn says so
constexpr size_t kMaxPathBytes = 2'048;
constexpr size_t kMaxRequestsAConnection = 10'000;

// What cpp-httplib gives its accepted sockets to. `refuse` runs the job on the accepting thread.
class ConnectionQueue final : public httplib::TaskQueue {
 public:
  ConnectionQueue(WorkerThreads& workers, std::function<void(const std::function<void()>&)> refuse)
      : workers_(workers), refuse_(std::move(refuse)) {}
  void enqueue(std::function<void()> job) override {
    if (!workers_.Run(job)) refuse_(job);
  }
  void shutdown() override { workers_.Join(); }

 private:
  WorkerThreads& workers_;
  const std::function<void(const std::function<void()>&)> refuse_;
};

// The pages that there are, by the name that they count under.
std::string_view PageOf(const std::string& path) {
  for (const std::string_view page : {"/healthz", "/readyz", "/metrics", "/v1/chat/completions",
                                      "/v1/embeddings", "/v1/models"}) {
    if (path == page) return page;
  }
  if (path.starts_with("/v1/models/")) return "/v1/models";
  if (path == "/vouch/v1" || path.starts_with("/vouch/v1/")) return "/vouch/v1";
  return "other";
}

// Whether this thread, which accepts, runs a connection's job only to refuse it.
thread_local bool refusing = false;

class LocalHttpServer final : public HttpServer, private httplib::Server {
 public:
  LocalHttpServer(const HttpServerOptions& options, vouch::Server& server)
      : options_(options),
        max_body_bytes_(size_t{options.max_message_mb} << 20),
        server_(server),
        workers_(options.connections),
        stop_fd_(::eventfd(0, EFD_CLOEXEC)),
        context_{.channel = server.InProcessChannel(),
                 .services = server.services(),
                 .ready = [&server] { return server.ready(); },
                 .metrics = &server.metrics(),
                 .keep_alive = options.keep_alive} {
    limits_.request_bytes = max_body_bytes_ + kHeadBytes;
  }
  ~LocalHttpServer() override {
    Shutdown();
    ::close(stop_fd_);
  }

  absl::Status Listen() {
    if (absl::Status status = CheckAddress("http_listen", options_.listen); !status.ok())
      return status;
    const HostAndPort address = SplitAddress(options_.listen);
    host_ = options_.listen.substr(0, options_.listen.rfind(':'));
    // Its own default would let two servers share a port in silence.
    set_socket_options([](int fd) {
      const int yes = 1;
      (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    port_ = address.port;
    if (address.port == 0) {
      port_ = bind_to_any_port(address.host);
    } else if (!bind_to_port(address.host, address.port)) {
      port_ = -1;
    }
    if (port_ <= 0) {
      return absl::UnavailableError(absl::StrCat(
          "cannot listen on ", options_.listen, " for HTTP: ", WhyNotListen(options_.listen),
          "; choose another address by --http-listen (port 0 lets the system choose; 'off': none)"));
    }
    // The library lets five connections wait to be taken; of a burst of clients the others were reset.
    (void)::listen(svr_sock_.load(), kMaxWaiting);
    SetUp();
    thread_ = std::thread([this] { listen_after_bind(); });
    while (!is_running()) std::this_thread::yield();  // stop() before that would be lost
    return absl::OkStatus();
  }

  int port() const override { return port_; }
  std::string address() const override { return absl::StrCat(host_, ":", port_); }

  void Shutdown() override {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    (void)!::write(stop_fd_, &one, sizeof(one));
    stop();
    thread_.join();
  }

 private:
  void SetUp() {
    new_task_queue = [this] {
      return new ConnectionQueue(workers_, [](const std::function<void()>& job) {
        refusing = true;
        job();
        refusing = false;
      });
    };
    set_payload_max_length(max_body_bytes_);
    // Patterns are matched by recursion over the path, so that is kept short.
    set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      if (request.path.size() <= kMaxPathBytes) return HandlerResponse::Unhandled;
      response.status = 414;
      return HandlerResponse::Handled;
    });
    Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      // A body that nobody reads would be taken for the next request.
      if (request.has_header("Content-Length") || request.has_header("Transfer-Encoding"))
        HttpConnection::Current().CloseAfterThis();
      Answer(request, "", &response);
    });
    Post(".*", [this](const httplib::Request& request, httplib::Response& response,
                      const httplib::ContentReader& reader) {
      if (request.is_multipart_form_data()) return RefuseForm(&response);
      std::string body;
      if (ReadBody(request, reader, &body)) return Answer(request, body, &response);
      HttpConnection::Current().CloseAfterThis();
      response.status = 413;
      response.set_content(
          OpenAiErrorJson(absl::InvalidArgumentError(absl::StrCat(
              "the body was cut, or has more than ", options_.max_message_mb,
              " MiB, which is the limit (max_message_mb)"))),
          "application/json");
    });
    set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      // What is refused before a page is asked: a head that is no HTTP, a method.
      if (!response.body.empty()) return;
      HttpConnection::Current().CloseAfterThis();
      const absl::Status status = absl::InvalidArgumentError(absl::StrCat(
          "HTTP ", response.status, ": ", request.method, " ", request.path, " is not served"));
      response.set_content(OpenAiErrorJson(status), "application/json");
    });
    set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
          response.status = 500;
          response.set_content(OpenAiErrorJson(absl::ResourceExhaustedError(
                                   "the server is out of memory for this request")),
                               "application/json");
        });
  }

  bool process_and_close_socket(int fd) override {
    if (refusing) {
      Refuse(fd);
    } else {
      Serve(fd);
    }
    ::shutdown(fd, SHUT_RDWR);
    ::close(fd);
    return true;
  }

  void Serve(int fd) {
    context_.metrics->OpenHttp();
    const int yes = 1;
    (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    HttpConnection connection(fd, stop_fd_, limits_);
    const HttpConnection::Scope scope(&connection);
    for (size_t i = 0; i < kMaxRequestsAConnection && connection.AwaitRequest(); ++i) {
      bool closed = false;
      const bool served =
          process_request(connection, i + 1 == kMaxRequestsAConnection, closed, nullptr);
      if (!served || closed) break;
    }
    if (connection.closes()) connection.Linger();
    context_.metrics->CloseHttp();
  }

  void Refuse(int fd) {
    context_.metrics->RefuseHttp();
    const std::string body = OpenAiErrorJson(absl::UnavailableError(
        absl::StrCat("the server has ", options_.connections,
                     " connections, which is its limit (http_connections); try again later")));
    const std::string reply =
        absl::StrCat("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                     "Retry-After: 1\r\nConnection: close\r\nContent-Length: ",
                     body.size(), "\r\n\r\n", body);
    (void)!::send(fd, reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    // Its request, which nobody reads, shall not have the system throw the reply away.
    (void)::shutdown(fd, SHUT_WR);
    pollfd polled = {fd, POLLIN, 0};
    char bytes[4096];
    if (::poll(&polled, 1, kRefusalWaitMs) > 0) (void)!::recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  }

  static void RefuseForm(httplib::Response* response) {
    HttpConnection::Current().CloseAfterThis();
    response->status = 415;
    response->set_content(
        OpenAiErrorJson(absl::InvalidArgumentError("the body is a form; pages take JSON")),
        "application/json");
  }

  // Whole, as it unpacks; false over the limit or where it was cut. Without a length there is none.
  bool ReadBody(const httplib::Request& request, const httplib::ContentReader& reader,
                std::string* body) const {
    if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
      return true;
    return reader([&](const char* bytes, size_t size) {
      if (body->size() + size > max_body_bytes_) return false;
      body->append(bytes, size);
      return true;
    });
  }

  void Answer(const httplib::Request& request, const std::string& body,
              httplib::Response* response) {
    const auto began = std::chrono::steady_clock::now();
    const std::string_view page = PageOf(request.path);
    Route(page, request, body, response);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    context_.metrics->CountHttp(page, response->status, seconds.count());
  }

  void Route(std::string_view page, const httplib::Request& request, const std::string& body,
             httplib::Response* response) {
    response->status = 200;
    if (page == "/healthz") return response->set_content("ok\n", "text/plain");
    if (page == "/readyz") {
      const bool ready = context_.ready();
      response->status = ready ? 200 : 503;
      return response->set_content(ready ? "ready\n" : "not ready\n", "text/plain");
    }
    if (page == "/metrics") {
      return response->set_content(server_.RenderMetrics(), "text/plain; version=0.0.4");
    }
    if (page == "/vouch/v1") return ServeJsonApi(context_, request, body, response);
    if (page == "/v1/models") return ServeModels(context_, request, body, response);
    if (page == "/v1/chat/completions")
      return ServeChatCompletions(context_, request, body, response);
    if (page == "/v1/embeddings") return ServeEmbeddings(context_, request, body, response);
    const absl::Status status = absl::NotFoundError(absl::StrCat(
        "there is no page ", request.path,
        "; there are /healthz, /readyz, /metrics, /v1/chat/completions, /v1/models, "
        "/v1/embeddings and /vouch/v1"));
    response->status = 404;
    response->set_content(OpenAiErrorJson(status), "application/json");
  }

  const HttpServerOptions options_;
  const size_t max_body_bytes_;
  vouch::Server& server_;
  HttpConnectionLimits limits_;
  WorkerThreads workers_;
  const int stop_fd_;
  const HttpContext context_;
  std::string host_;
  int port_ = -1;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<RpcOptions> RpcOptionsOf(const httplib::Request& request) {
  RpcOptions options;
  // What is no such header starts a new trace; it may not reach gRPC, which ends at bytes that it does not take.
  const SpanContext parent = ParseTraceparent(request.get_header_value("traceparent"));
  if (parent.valid()) options.traceparent = FormatTraceparent(parent);
  options.gone = [connection = &HttpConnection::Current()] { return connection->PeerGone(); };
  options.deadline = absl::Now() + kMaxCallTime;
  constexpr char kHeader[] = "Vouch-Timeout-Ms";
  if (!request.has_header(kHeader)) return options;
  const std::string text = request.get_header_value(kHeader);
  int64_t ms = 0;
  if (!absl::SimpleAtoi(text, &ms) || ms < 1 || ms > absl::ToInt64Milliseconds(kMaxCallTime)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header ", kHeader, " is '", text, "'; it takes 1 to ",
                     absl::ToInt64Milliseconds(kMaxCallTime)));
  }
  options.deadline = absl::Now() + absl::Milliseconds(ms);
  return options;
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                              Server& server) {
  auto http = std::make_unique<LocalHttpServer>(options, server);
  if (absl::Status status = http->Listen(); !status.ok()) return status;
  return http;
}

}  // namespace vouch
