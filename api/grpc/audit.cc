#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "api/grpc/delivery_services.h"
#include "api/grpc/request.h"
#include "storage/journal.h"
#include "vouch/v1/audit.grpc.pb.h"

namespace vouch {
namespace {

constexpr uint32_t kMaxEntries = 1'000;
constexpr uint32_t kDefaultEntries = 50;
constexpr uint64_t kScannedAtATime = 1'000;

bool Matches(const v1::ListAuditRequest& request, const AuditEntry& entry) {
  const bool prefix = absl::EndsWith(request.action(), ".");
  const bool action = request.action().empty() || entry.change.action == request.action() ||
                      (prefix && absl::StartsWith(entry.change.action, request.action()));
  return action && absl::StartsWith(entry.change.subject, request.subject());
}

void FillEntry(AuditEntry entry, v1::AuditEntry* message) {
  message->set_number(entry.number);
  message->set_time_us(entry.change.time_us);
  message->set_actor(std::move(entry.change.actor));
  message->set_action(std::move(entry.change.action));
  message->set_subject(std::move(entry.change.subject));
  message->set_reason(std::move(entry.change.reason));
  message->set_before(std::move(entry.change.before));
  message->set_after(std::move(entry.change.after));
  message->set_previous(std::move(entry.previous));
  message->set_hash(std::move(entry.hash));
}

class AuditService final : public v1::Audit::Service {
 public:
  explicit AuditService(const ServiceContext& context) : services_(context) {}

  grpc::Status ListAudit(grpc::ServerContext* context, const v1::ListAuditRequest* request,
                         v1::ListAuditResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      if (request->limit() > kMaxEntries) {
        return absl::InvalidArgumentError(
            absl::StrCat("limit is ", request->limit(), ", at most ", kMaxEntries));
      }
      const std::string tenant = PrincipalOf(*context).tenant;
      const absl::StatusOr<uint64_t> size = journal().AuditSize(tenant);
      if (!size.ok()) return size.status();
      if (request->number() != 0) return One(tenant, request->number(), *size, reply);
      const uint32_t limit = request->limit() == 0 ? kDefaultEntries : request->limit();
      uint64_t end = *size + 1;  // entries with smaller numbers are still to be looked at
      if (request->before() != 0) end = std::min(end, request->before());
      while (end > 1 && static_cast<uint32_t>(reply->entries_size()) < limit) {
        if (absl::Status status = CheckCall(*context); !status.ok()) return status;
        const uint64_t begin = end > kScannedAtATime ? end - kScannedAtATime : 1;
        std::deque<AuditEntry> found;
        const absl::Status scanned = journal().ScanAudit(tenant, begin, [&](AuditEntry&& entry) {
          if (entry.number >= end) return false;
          if (Matches(*request, entry)) found.push_front(std::move(entry));
          return true;
        });
        if (!scanned.ok()) return scanned;
        end = begin;
        for (AuditEntry& entry : found) {
          if (static_cast<uint32_t>(reply->entries_size()) == limit) {
            end = entry.number + 1;
            break;
          }
          FillEntry(std::move(entry), reply->add_entries());
        }
      }
      reply->set_scanned_to(end);
      return absl::OkStatus();
    });
  }

  grpc::Status VerifyAudit(grpc::ServerContext* context, const v1::VerifyAuditRequest* request,
                           v1::VerifyAuditResponse* reply) override {
    return Serve(services_, *context, [&]() -> absl::Status {
      uint64_t wanted = 0;
      std::string hash;
      if (absl::Status status = ReadHead(request->head(), &wanted, &hash); !status.ok())
        return status;
      uint64_t count = 0;
      std::string last;
      absl::Status differs;
      const absl::Status scanned =
          journal().ScanAudit(PrincipalOf(*context).tenant, 1, [&](AuditEntry&& entry) {
            ++count;
            last = std::move(entry.hash);
            if (entry.number == wanted && last != hash) {
              differs =
                  absl::DataLossError(absl::StrCat("the audit log was changed: entry ", wanted,
                                                   " had the hash ", hash, " and now has ", last));
            }
            return differs.ok() && (count % 1'000 != 0 || !context->IsCancelled());
          });
      if (!differs.ok()) return differs;
      if (!scanned.ok()) return scanned;
      if (wanted > count) {
        return absl::DataLossError(absl::StrCat("the audit log was cut: it ends at entry ", count,
                                                ", and there was an entry ", wanted));
      }
      reply->set_entries(count);
      if (count > 0) reply->set_head(absl::StrCat(count, ":", last));
      return absl::OkStatus();
    });
  }

 private:
  Journal& journal() const { return Journal::Of(services_.database->store()); }

  absl::Status One(const std::string& tenant, uint64_t number, uint64_t size,
                   v1::ListAuditResponse* reply) const {
    if (number > size) {
      return absl::NotFoundError(
          absl::StrCat("the audit log has no entry ", number, "; it has ", size));
    }
    return journal().ScanAudit(tenant, number, [&](AuditEntry&& entry) {
      FillEntry(std::move(entry), reply->add_entries());
      return false;
    });
  }

  static absl::Status ReadHead(const std::string& head, uint64_t* number, std::string* hash) {
    if (head.empty()) return absl::OkStatus();
    const size_t colon = head.find(':');
    if (colon == std::string::npos || !absl::SimpleAtoi(head.substr(0, colon), number) ||
        *number == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("head is '", head, "'; it takes NUMBER:HASH, as a verification gives it"));
    }
    *hash = head.substr(colon + 1);
    return absl::OkStatus();
  }

  const ServiceContext& services_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewAuditService(const ServiceContext& context) {
  return std::make_unique<AuditService>(context);
}

}  // namespace vouch
