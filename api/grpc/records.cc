#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/grpc/record_services.h"
#include "api/grpc/request.h"
#include "rag/forget/forget.h"
#include "storage/answer_records.h"
#include "vouch/v1/records.grpc.pb.h"

namespace vouch {
namespace {

class RecordsService final : public v1::Records::Service {
 public:
  explicit RecordsService(const ServiceContext& context) : services_(context) {}

  grpc::Status VerifyAnswers(grpc::ServerContext* context, const v1::VerifyAnswersRequest* request,
                             v1::VerifyAnswersReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      Digest expected{};
      if (request->expected_number() != 0 && !ParseDigest(request->expected_hash(), &expected)) {
        return absl::InvalidArgumentError(absl::StrCat("expected_hash has ", request->expected_hash().size(),
                                                       " bytes; it takes 64 digits of [0-9a-f]"));
      }
      const AnswerRecords& records = AnswerRecords::Of(services_.database->store());
      const std::string tenant = PrincipalOf(*context).tenant;
      const CancelToken cancel = CancelOf(*context);
      const absl::StatusOr<AnswerChainReport> report =
          records.VerifyAnswerChain(tenant, [&](uint64_t, uint64_t) { return cancel.Check(); });
      if (!report.ok()) return report.status();
      Fill(*report, reply);
      if (request->expected_number() == 0) return absl::OkStatus();
      const absl::StatusOr<Digest> hash = records.GetAnswerLinkHash(tenant, request->expected_number());
      if (hash.ok() && *hash == expected) return absl::OkStatus();
      v1::AnswerProblem* problem = reply->add_problems();
      problem->set_number(request->expected_number());
      problem->set_what(hash.ok() ? "its hash is not the expected one: this or an earlier answer was changed, put in or removed"
                                  : "it was expected, and is not there");
      return absl::OkStatus();
    });
  }

  grpc::Status Forget(grpc::ServerContext* context, const v1::ForgetRequest* request,
                      v1::ForgetReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      ForgetRequest forget{.collection = request->collection(),
                           .document = request->document(),
                           .reason = request->reason(),
                           .dry_run = request->dry_run(),
                           .compact = request->compact(),
                           .principal = PrincipalOf(*context),
                           .cancel = CancelOf(*context)};
      absl::StatusOr<ForgetReport> report = vouch::Forget(*services_.database, forget);
      if (!report.ok()) return report.status();
      Fill(std::move(report->record), reply->mutable_forgotten());
      for (std::string& sentence : report->remains) reply->add_remains(std::move(sentence));
      return absl::OkStatus();
    });
  }

  grpc::Status ListForgotten(grpc::ServerContext* context, const v1::ListForgottenRequest* request,
                             v1::ListForgottenReply* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<std::vector<ForgetRecord>> records =
          vouch::ListForgotten(*services_.database, PrincipalOf(*context), request->collection());
      if (!records.ok()) return records.status();
      for (ForgetRecord& record : *records) Fill(std::move(record), reply->add_forgotten());
      return absl::OkStatus();
    });
  }

 private:
  static void Fill(const AnswerChainReport& report, v1::VerifyAnswersReply* reply) {
    reply->set_answers(report.answers);
    reply->set_replaced(report.replaced);
    reply->set_erased(report.erased);
    reply->set_unchained(report.unchained);
    reply->set_first_number(report.first);
    reply->set_last_number(report.last);
    if (report.first != 0) reply->set_head(DigestText(report.head));
    for (const AnswerProblem& problem : report.problems) {
      v1::AnswerProblem* added = reply->add_problems();
      added->set_number(problem.number);
      added->set_answer_id(problem.id);
      added->set_what(problem.what);
    }
  }

  static void Fill(ForgetRecord&& record, v1::Forgotten* message) {
    message->set_document(std::move(record.document));
    message->set_reason(std::move(record.reason));
    message->set_subject(std::move(record.subject));
    message->set_started_us(record.started_us);
    message->set_finished_us(record.finished_us);
    message->set_version(record.version);
    message->set_points(record.points);
    message->set_rows(record.rows);
    for (std::string& hash : record.sources) message->add_sources(std::move(hash));
    for (std::string& hash : record.kept_sources) message->add_kept_sources(std::move(hash));
    message->set_answers(record.answers);
    message->set_texts(record.texts);
    message->set_results(record.results);
    message->set_compacted(record.compacted);
    message->set_reference_rows(record.reference_rows);
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewRecordsService(const ServiceContext& context) {
  return std::make_unique<RecordsService>(context);
}

}  // namespace vouch
