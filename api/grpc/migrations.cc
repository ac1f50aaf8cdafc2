#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/convert.h"
#include "api/grpc/judged_queries.h"
#include "api/grpc/progress_writer.h"
#include "api/grpc/request.h"
#include "api/grpc/services.h"
#include "rag/migrate/migration.h"
#include "vouch/v1/migrations.grpc.pb.h"

namespace vouch {
namespace {

void FillMigration(const MigrationRecord& record, v1::Migration* message) {
  message->set_source(record.source);
  message->set_target(record.target);
  message->set_field(record.field);
  message->set_old_embedder(record.old_embedder);
  message->set_embedder(record.embedder);
  message->set_state(std::string(MigrationStateName(record.state)));
  for (const std::string& alias : record.aliases) message->add_aliases(alias);
  message->set_reason(record.reason);
  message->set_source_version(record.source_version);
  message->set_created_us(record.created_us);
  message->set_changed_us(record.changed_us);
  const SpaceComparison& found = record.comparison;
  if (found.questions == 0) return;
  v1::SpaceComparison* comparison = message->mutable_comparison();
  comparison->set_questions(found.questions);
  comparison->set_origin(found.origin);
  comparison->set_k(found.k);
  comparison->set_overlap(found.overlap);
  comparison->set_rank_agreement(found.rank_agreement);
  comparison->set_judged(found.judged);
  comparison->set_ndcg_old(found.ndcg_old);
  comparison->set_ndcg_new(found.ndcg_new);
}

void FillResult(const MigrationReport& report, v1::MigrateEmbedderResult* message) {
  FillMigration(report.record, message->mutable_migration());
  message->set_rows(report.rows);
  v1::MigrationEstimate* estimate = message->mutable_estimate();
  estimate->set_points(report.estimate.points);
  estimate->set_texts(report.estimate.texts);
  estimate->set_bytes(report.estimate.bytes);
  estimate->set_tokens(report.estimate.tokens);
  estimate->set_calls(report.estimate.calls);
  estimate->set_vector_bytes(report.estimate.vector_bytes);
  if (report.estimate.cost_nano.has_value()) estimate->set_cost_nano(*report.estimate.cost_nano);
  estimate->set_currency(report.estimate.currency);
  estimate->set_prices(report.estimate.prices);
}

absl::StatusOr<MigrationRequest> RequestOf(const v1::MigrateEmbedderRequest& message) {
  MigrationRequest request;
  request.collection = message.collection();
  request.field = message.field();
  request.embedder = message.embedder();
  absl::StatusOr<std::vector<EvaluationQuery>> queries = AskedQueriesOf(message);
  if (!queries.ok()) return queries.status();
  request.comparison.queries = *std::move(queries);
  absl::StatusOr<Qrels> qrels = JudgementsOf(message);
  if (!qrels.ok()) return qrels.status();
  request.comparison.qrels = *std::move(qrels);
  if (message.k() != 0) request.comparison.k = message.k();
  const absl::StatusOr<RetrievalMode> mode = ModeOf(message.mode());
  if (!mode.ok()) return mode.status();
  request.comparison.mode = *mode;
  if (message.has_min_ndcg_ratio()) request.min_ndcg_ratio = message.min_ndcg_ratio();
  request.min_overlap = message.min_overlap();
  request.switch_over = !message.no_switch();
  request.unchecked = message.unchecked();
  return request;
}

class MigrationsService final : public v1::Migrations::Service {
 public:
  explicit MigrationsService(const ServiceContext& context) : services_(context) {}

  grpc::Status MigrateEmbedder(grpc::ServerContext* context, const v1::MigrateEmbedderRequest* message,
                               grpc::ServerWriter<v1::MigrateEmbedderReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      absl::StatusOr<MigrationRequest> request = RequestOf(*message);
      if (!request.ok()) return request.status();
      request->principal = PrincipalOf(*context);
      request->cancel = CancelOf(*context);
      absl::StatusOr<std::shared_ptr<ModelRoute>> route =
          services_.RouteFor(request->principal.tenant);
      if (!route.ok()) return route.status();
      if (*route != nullptr) request->prices = &(*route)->spec().prices;
      Migrator migrator = NewMigrator();
      return Reply(message->dry_run() ? migrator.Estimate(*request)
                                      : migrator.Migrate(*request, SinkOf(writer)),
                   writer);
    });
  }

  grpc::Status RollBackMigration(grpc::ServerContext* context, const v1::RollBackMigrationRequest* message,
                                 grpc::ServerWriter<v1::MigrateEmbedderReply>* writer) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      return Reply(NewMigrator().RollBack(message->collection(), PrincipalOf(*context), CancelOf(*context),
                                          SinkOf(writer)),
                   writer);
    });
  }

  grpc::Status CancelMigration(grpc::ServerContext* context, const v1::CancelMigrationRequest* message,
                               v1::Migration* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const auto record = NewMigrator().Cancel(message->collection(), PrincipalOf(*context));
      if (record.ok()) FillMigration(*record, reply);
      return record.status();
    });
  }

  grpc::Status ListMigrations(grpc::ServerContext* context, const v1::ListMigrationsRequest*,
                              v1::ListMigrationsResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      const auto records = NewMigrator().List(PrincipalOf(*context));
      if (!records.ok()) return records.status();
      for (const MigrationRecord& record : *records) FillMigration(record, reply->add_migrations());
      return absl::OkStatus();
    });
  }

 private:
  using Writer = grpc::ServerWriter<v1::MigrateEmbedderReply>;

  Migrator NewMigrator() const { return Migrator(*services_.database, *services_.embedders); }

  static Migrator::ProgressSink SinkOf(Writer* writer) {
    auto phase = std::make_shared<std::string>();
    auto progress = std::make_shared<ProgressWriter>([writer, phase](double fraction) {
      v1::MigrateEmbedderReply reply;
      reply.set_fraction(fraction);
      reply.set_phase(*phase);
      writer->Write(reply);
    });
    return [phase, progress](const MigrationProgress& now) {
      *phase = now.phase;
      progress->Update(now.fraction);
    };
  }

  static absl::Status Reply(const absl::StatusOr<MigrationReport>& report, Writer* writer) {
    if (!report.ok()) return report.status();
    v1::MigrateEmbedderReply reply;
    FillResult(*report, reply.mutable_result());
    writer->Write(reply);
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewMigrationsService(const ServiceContext& context) {
  return std::make_unique<MigrationsService>(context);
}

}  // namespace vouch
