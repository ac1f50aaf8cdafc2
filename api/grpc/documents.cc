#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "api/limits.h"
#include "rag/ingest/document_entry.h"
#include "rag/ingestor.h"
#include "rag/parse/parser.h"
#include "vouch/v1/documents.grpc.pb.h"

namespace vouch {
namespace {

using IngestStream = grpc::ServerReaderWriter<v1::IngestReply, v1::IngestRequest>;

absl::StatusOr<MediaType> MediaTypeOf(v1::MediaType type) {
  switch (type) {
    case v1::MEDIA_TYPE_UNSPECIFIED:
    case v1::MEDIA_TYPE_TEXT:
      return MediaType::kText;
    case v1::MEDIA_TYPE_MARKDOWN:
      return MediaType::kMarkdown;
    case v1::MEDIA_TYPE_HTML:
      return MediaType::kHtml;
    case v1::MEDIA_TYPE_JSON_LINES:
      return MediaType::kJsonLines;
    case v1::MEDIA_TYPE_PDF:
      return MediaType::kPdf;
    case v1::MEDIA_TYPE_DOCX:
      return MediaType::kDocx;
    case v1::MEDIA_TYPE_CSV:
      return MediaType::kCsv;
    case v1::MEDIA_TYPE_EMAIL:
      return MediaType::kEmail;
    default:
      return absl::InvalidArgumentError(absl::StrCat("unknown media type ", int{type}));
  }
}

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

void FillReport(IngestReport&& report, v1::IngestReport* message) {
  message->set_version(report.version.value);
  message->set_documents_added(report.documents_added);
  message->set_documents_changed(report.documents_changed);
  message->set_documents_unchanged(report.documents_unchanged);
  message->set_documents_deleted(report.documents_deleted);
  message->set_chunks_added(report.chunks_added);
  message->set_chunks_retired(report.chunks_retired);
  message->set_chunks_kept(report.chunks_kept);
  message->set_bytes(report.bytes);
  message->set_commits(report.commits);
  message->set_embedder(std::move(report.embedder));
  message->set_skipped_count(report.skipped_count);
  for (IngestReport::Skipped& skipped : report.skipped) {
    v1::SkippedDocument* entry = message->add_skipped();
    entry->set_document(std::move(skipped.document));
    entry->set_reason(std::move(skipped.reason));
  }
}

// One Ingest call. Used by its thread alone.
class IngestCall {
 public:
  IngestCall(const ServiceContext& services, const grpc::ServerContext& context,
             IngestStream& stream)
      : services_(services), context_(context), stream_(stream) {}

  absl::Status Run() {
    v1::IngestRequest request;
    while (stream_.Read(&request)) {
      if (absl::Status status = Handle(std::move(request)); !status.ok()) return status;
      if (finished_) return absl::OkStatus();
    }
    if (absl::Status status = CheckCall(context_); !status.ok()) return status;
    return absl::AbortedError(
        "the stream ended without Finish: what was committed stays, and no document is taken for "
        "deleted");
  }

 private:
  absl::Status Handle(v1::IngestRequest&& request) {
    const bool first = ingestor_ == nullptr;
    if (first != (request.message_case() == v1::IngestRequest::kOptions)) {
      return absl::InvalidArgumentError(first ? "the first message must be options"
                                              : "options came twice");
    }
    if (in_document_ != (request.message_case() == v1::IngestRequest::kData)) {
      return absl::InvalidArgumentError(
          in_document_ ? absl::StrCat("document '", document_.id, "' is not complete")
                       : "data came without a document that goes on");
    }
    switch (request.message_case()) {
      case v1::IngestRequest::kOptions:
        return Begin(request.options());
      case v1::IngestRequest::kOffer:
        return HandleOffer(request.offer());
      case v1::IngestRequest::kDocument:
        return HandleDocument(std::move(*request.mutable_document()));
      case v1::IngestRequest::kData:
        return Append(request.data().data(), request.data().more());
      case v1::IngestRequest::kSkipped:
        return HandleSkipped(request.skipped());
      case v1::IngestRequest::kFinish:
        return HandleFinish();
      case v1::IngestRequest::MESSAGE_NOT_SET:
        break;
    }
    return absl::InvalidArgumentError("a message without content");
  }

  absl::Status Begin(const v1::IngestOptions& message) {
    IngestOptions options;
    options.collection = message.collection();
    options.principal = PrincipalOf(context_);
    options.create_collection = !message.no_create();
    if (!message.embedder().empty()) options.embedder = message.embedder();
    if (!message.chunker().empty()) {
      if (message.chunk_target_bytes() != 0) {
        return absl::InvalidArgumentError(
            "chunk_target_bytes goes with the default chunker; with `chunker` say structure?target=…");
      }
      absl::StatusOr<ChunkOptions> chunking = ParseChunkOptions(message.chunker());
      if (!chunking.ok()) return chunking.status();
      options.chunking = *chunking;
    }
    if (const uint32_t target = message.chunk_target_bytes(); target != 0) {
      if (target < kMinChunkBytes || target > kMaxChunkBytes) {
        return absl::InvalidArgumentError(absl::StrCat("chunk_target_bytes is ", target,
                                                       "; it takes ", kMinChunkBytes, " to ",
                                                       kMaxChunkBytes));
      }
      options.chunking.target_bytes = target;
      options.chunking.max_bytes = 2 * target;
    }
    options.skip_bad = !message.strict();
    options.retrain = message.retrain();
    options.scopes.assign(message.scopes().begin(), message.scopes().end());
    auto ingestor = Ingestor::Begin(*services_.writes, *services_.embedders, std::move(options),
                                    CancelOf(context_),
                                    [this](const IngestProgress& progress) { Report(progress); });
    if (!ingestor.ok()) return ingestor.status();
    ingestor_ = *std::move(ingestor);
    return absl::OkStatus();
  }

  absl::Status HandleOffer(const v1::Offer& offer) {
    if (static_cast<uint32_t>(offer.documents_size()) > ApiLimits::kMaxOffers) {
      return absl::InvalidArgumentError(absl::StrCat(
          "an offer has ", offer.documents_size(), " documents, at most ", ApiLimits::kMaxOffers));
    }
    v1::IngestReply reply;
    for (const v1::Offer::Document& document : offer.documents()) {
      absl::StatusOr<std::string> known = ingestor_->KnownHash(document.id());
      if (!known.ok()) return known.status();
      if (known->empty() || *known != document.hash()) {
        reply.mutable_offer()->add_wanted(document.id());
      } else if (absl::Status status = ingestor_->AddUnchanged(document.id()); !status.ok()) {
        return status;
      }
    }
    reply.mutable_offer();
    return Send(reply);
  }

  absl::Status HandleDocument(v1::DocumentPart&& part) {
    absl::StatusOr<MediaType> media_type = MediaTypeOf(part.media_type());
    if (!media_type.ok()) {
      return absl::Status(
          media_type.status().code(),
          absl::StrCat("document '", part.id(), "': ", media_type.status().message()));
    }
    document_ = Document{};
    document_.id = std::move(*part.mutable_id());
    document_.uri = part.uri().empty() ? document_.id : std::move(*part.mutable_uri());
    document_.media_type = *media_type;
    if (!part.metadata_json().empty())
      document_.metadata = std::move(*part.mutable_metadata_json());
    document_.external_id =
        part.external_id().empty() ? document_.id : std::move(*part.mutable_external_id());
    return Append(part.data(), part.more());
  }

  absl::Status Append(const std::string& data, bool more) {
    if (document_.bytes.size() + data.size() > ParseLimits::kMaxDocumentBytes) {
      return absl::InvalidArgumentError(absl::StrCat("document '", document_.id, "' has more than ",
                                                     ParseLimits::kMaxDocumentBytes, " bytes"));
    }
    document_.bytes += data;
    in_document_ = more;
    return more ? absl::OkStatus() : ingestor_->Add(std::move(document_));
  }

  absl::Status HandleSkipped(const v1::SkippedDocument& skipped) {
    const absl::Status reason = absl::InvalidArgumentError(skipped.reason());
    ingestor_->AddSkipped(skipped.document(), reason);
    return absl::OkStatus();
  }

  absl::Status HandleFinish() {
    absl::StatusOr<IngestReport> report = ingestor_->Finish();
    if (!report.ok()) return report.status();
    finished_ = true;
    v1::IngestReply reply;
    FillReport(*std::move(report), reply.mutable_report());
    return Send(reply);
  }

  void Report(const IngestProgress& progress) {
    const absl::Time now = absl::Now();
    if (progress.phase == last_phase_ && now - last_report_ < absl::Milliseconds(100)) return;
    last_phase_ = progress.phase;
    last_report_ = now;
    v1::IngestReply reply;
    v1::IngestProgress* message = reply.mutable_progress();
    message->set_phase(progress.phase);
    message->set_documents(progress.documents);
    message->set_chunks(progress.chunks);
    message->set_bytes(progress.bytes);
    message->set_fraction(progress.fraction);
    stream_.Write(reply);  // a lost stream is noticed by the next Read
  }

  absl::Status Send(const v1::IngestReply& reply) {
    if (stream_.Write(reply)) return absl::OkStatus();
    return absl::CancelledError("the caller has gone");
  }

  static constexpr uint32_t kMinChunkBytes = 100;
  static constexpr uint32_t kMaxChunkBytes = 100'000;

  const ServiceContext& services_;
  const grpc::ServerContext& context_;
  IngestStream& stream_;
  std::unique_ptr<Ingestor> ingestor_;
  Document document_;  // the one being received
  bool in_document_ = false;
  bool finished_ = false;
  std::string last_phase_;
  absl::Time last_report_ = absl::InfinitePast();
};

class DocumentsService final : public v1::Documents::Service {
 public:
  explicit DocumentsService(const ServiceContext& context) : services_(context) {}

  grpc::Status Ingest(grpc::ServerContext* context, IngestStream* stream) override {
    return Serve(services_, *context,
                 [&] { return IngestCall(services_, *context, *stream).Run(); });
  }

  grpc::Status ListDocuments(grpc::ServerContext* context, const v1::ListDocumentsRequest* request,
                             grpc::ServerWriter<v1::ListDocumentsReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      auto collection =
          services_.database->GetCollection(PrincipalOf(*context), request->collection());
      if (!collection.ok()) return collection.status();
      v1::ListDocumentsReply reply;
      const auto visit = [&](std::string_view key, std::string_view value) -> absl::Status {
        const std::string id(key.substr(kDocumentKeyPrefix.size()));
        if (!request->scope().empty() && !InScope(id, request->scope())) return absl::OkStatus();
        absl::StatusOr<DocumentEntry> entry = DocumentEntry::Decode(value);
        if (!entry.ok()) return entry.status();
        FillDocument(id, *entry, reply.add_documents());
        if (reply.documents_size() < kListedDocuments) return absl::OkStatus();
        if (!writer->Write(reply)) return absl::CancelledError("the caller has gone");
        reply.Clear();
        return CheckCall(*context);
      };
      absl::Status status =
          (*collection)
              ->store()
              .ScanDocuments((*collection)->id(), DocumentKey(request->scope()), visit);
      if (!status.ok()) return status;
      if (reply.documents_size() > 0) writer->Write(reply);
      return absl::OkStatus();
    });
  }

 private:
  static constexpr int kListedDocuments = 1'000;  // a reply

  static void FillDocument(const std::string& id, const DocumentEntry& entry,
                           v1::ListDocumentsReply::Document* message) {
    message->set_id(id);
    message->set_hash(entry.hash);
    message->set_media_type(MessageOf(entry.media_type));
    message->set_uri(entry.uri);
    message->set_chunks(entry.chunks);
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewDocumentsService(const ServiceContext& context) {
  return std::make_unique<DocumentsService>(context);
}

}  // namespace vouch
