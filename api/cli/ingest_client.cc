#include "api/cli/ingest_client.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "storage/store.h"
#include "vouch/v1/documents.grpc.pb.h"

namespace vouch {
namespace {

constexpr size_t kBatchDocuments = 1'000;
constexpr size_t kBatchBytes = size_t{8} << 20;
constexpr size_t kPartBytes = size_t{4} << 20;

v1::MediaType MessageOf(MediaType type) {
  switch (type) {
    case MediaType::kText:
      return v1::MEDIA_TYPE_TEXT;
    case MediaType::kMarkdown:
      return v1::MEDIA_TYPE_MARKDOWN;
    case MediaType::kHtml:
      return v1::MEDIA_TYPE_HTML;
    case MediaType::kJsonLines:
      return v1::MEDIA_TYPE_JSON_LINES;
    case MediaType::kPdf:
      return v1::MEDIA_TYPE_PDF;
    case MediaType::kDocx:
      return v1::MEDIA_TYPE_DOCX;
    case MediaType::kCsv:
      return v1::MEDIA_TYPE_CSV;
    case MediaType::kEmail:
      return v1::MEDIA_TYPE_EMAIL;
  }
  return v1::MEDIA_TYPE_UNSPECIFIED;
}

class GrpcIngestClient final : public IngestClient {
 public:
  GrpcIngestClient(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                   const v1::IngestOptions& options,
                   std::function<void(const v1::IngestProgress&)> on_progress)
      : context_(context),
        on_progress_(std::move(on_progress)),
        stub_(v1::Documents::NewStub(channel)),
        stream_(stub_->Ingest(&context)) {
    reader_ = std::thread([this] { ReadReplies(); });
    v1::IngestRequest request;
    *request.mutable_options() = options;
    stream_->Write(request);  // where this fails, so does what follows
  }

  ~GrpcIngestClient() override {
    if (!reader_.joinable()) return;
    context_.TryCancel();
    reader_.join();
    stream_->Finish();
  }

  bool Add(Document document) override {
    batch_bytes_ += document.bytes.size();
    batch_.push_back(std::move(document));
    return batch_.size() < kBatchDocuments && batch_bytes_ < kBatchBytes ? true : SendBatch();
  }

  bool AddSkipped(const std::string& document, const std::string& reason) override {
    v1::IngestRequest request;
    request.mutable_skipped()->set_document(document);
    request.mutable_skipped()->set_reason(reason);
    return stream_->Write(request);
  }

  grpc::Status Finish(v1::IngestReport* report) override {
    if (SendBatch()) {
      v1::IngestRequest request;
      request.mutable_finish();
      stream_->Write(request);
    }
    stream_->WritesDone();
    reader_.join();
    grpc::Status status = stream_->Finish();
    if (status.ok()) *report = std::move(report_);
    return status;
  }

 private:
  // Offers the batch, waits for what is wanted of it, and sends that.
  bool SendBatch() {
    if (batch_.empty()) return true;
    v1::IngestRequest request;
    for (const Document& document : batch_) {
      v1::Offer::Document* entry = request.mutable_offer()->add_documents();
      entry->set_id(document.id);
      entry->set_hash(ContentHash(document.bytes));
    }
    if (!stream_->Write(request)) return false;
    absl::flat_hash_set<std::string> wanted;
    {
      std::unique_lock<std::mutex> lock(mu_);
      wake_.wait(lock, [this] { return ended_ || has_offer_; });
      if (!has_offer_) return false;
      has_offer_ = false;
      for (std::string& id : *offer_.mutable_wanted()) wanted.insert(std::move(id));
    }
    for (Document& document : batch_) {
      if (wanted.contains(document.id) && !SendDocument(std::move(document))) return false;
    }
    batch_.clear();
    batch_bytes_ = 0;
    return true;
  }

  bool SendDocument(Document document) {
    v1::IngestRequest request;
    v1::DocumentPart* part = request.mutable_document();
    part->set_id(std::move(document.id));
    part->set_uri(std::move(document.uri));
    part->set_media_type(MessageOf(document.media_type));
    part->set_metadata_json(std::move(document.metadata));
    part->set_external_id(std::move(document.external_id));
    part->set_data(document.bytes.substr(0, kPartBytes));
    size_t sent = part->data().size();
    part->set_more(sent < document.bytes.size());
    if (!stream_->Write(request)) return false;
    while (sent < document.bytes.size()) {
      v1::IngestRequest next;
      next.mutable_data()->set_data(document.bytes.substr(sent, kPartBytes));
      sent += next.data().data().size();
      next.mutable_data()->set_more(sent < document.bytes.size());
      if (!stream_->Write(next)) return false;
    }
    return true;
  }

  void ReadReplies() {
    v1::IngestReply reply;
    while (stream_->Read(&reply)) {
      if (reply.has_progress()) {
        on_progress_(reply.progress());
        continue;
      }
      const std::lock_guard<std::mutex> lock(mu_);
      if (reply.has_report()) {
        report_ = std::move(*reply.mutable_report());
      } else {
        offer_ = std::move(*reply.mutable_offer());
        has_offer_ = true;
        wake_.notify_one();
      }
    }
    const std::lock_guard<std::mutex> lock(mu_);
    ended_ = true;
    wake_.notify_one();
  }

  grpc::ClientContext& context_;
  const std::function<void(const v1::IngestProgress&)> on_progress_;
  const std::unique_ptr<v1::Documents::Stub> stub_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::IngestRequest, v1::IngestReply>> stream_;
  std::thread reader_;
  std::vector<Document> batch_;
  size_t batch_bytes_ = 0;

  std::mutex mu_;
  std::condition_variable wake_;
  v1::OfferReply offer_;     // guarded by mu_
  bool has_offer_ = false;   // guarded by mu_
  bool ended_ = false;       // guarded by mu_
  v1::IngestReport report_;  // guarded by mu_ until the reader has ended
};

}  // namespace

std::unique_ptr<IngestClient> IngestClient::Start(
    const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
    const v1::IngestOptions& options, std::function<void(const v1::IngestProgress&)> on_progress) {
  return std::make_unique<GrpcIngestClient>(channel, context, options, std::move(on_progress));
}

}  // namespace vouch
