#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/answer_records.h"
#include "storage/answer_table.h"
#include "storage/audit_table.h"
#include "storage/collection_directory.h"
#include "storage/commit_table.h"
#include "storage/erasure.h"
#include "storage/evaluation_table.h"
#include "storage/journal.h"
#include "storage/local_commit_log.h"
#include "storage/rocks.h"
#include "storage/rocks_catalog.h"
#include "storage/row_table.h"
#include "storage/store.h"

namespace vouch {

// The Store over RocksDB: finds the collection and where it stands, and passes on to the table that reads.
// Thread safety and invariants: Store's.
class RocksStore : public Store, public EvaluationRecords, public AnswerRecords, public Erasure, public Journal {
 public:
  RocksStore(std::string path, std::unique_ptr<Rocks> rocks);

  // Reads the catalog and where each collection stands. Once, before any other method.
  absl::Status Load() { return catalog_.Load(); }

  Catalog& catalog() override { return catalog_; }
  CommitLog& commit_log() override { return log_; }
  void SetListener(CommitListener* listener) override { log_.SetListener(listener); }
  const std::string& path() const override { return path_; }

  absl::StatusOr<CollectionState> GetState(CollectionId collection) const override;
  absl::StatusOr<CommitHeader> GetCommit(CollectionId collection, Version version) const override;
  absl::StatusOr<std::vector<CommitHeader>> ListCommits(CollectionId collection, Version first, Version last,
                                                        size_t limit) const override;
  absl::StatusOr<Version> FindVersionAt(CollectionId collection, int64_t time_us) const override;
  absl::StatusOr<std::optional<CommitHeader>> FindRequest(CollectionId collection,
                                                          std::string_view request_id) const override;
  absl::StatusOr<CommitHeader> FindCommitOfRow(CollectionId collection, RowId row) const override;
  absl::StatusOr<RowRecord> ReadRow(CollectionId collection, RowId row, bool with_vectors) const override;
  absl::StatusOr<std::vector<RowRecord>> ReadRows(CollectionId collection, std::span<const RowId> rows,
                                                  bool with_vectors) const override;
  absl::Status ScanRows(CollectionId collection, RowRange range, bool with_vectors,
                        const std::function<absl::Status(RowRecord&&)>& visit) const override;
  absl::StatusOr<std::optional<RowId>> FindPoint(CollectionId collection, const PointId& id,
                                                 Version at) const override;
  absl::Status ScanRetired(CollectionId collection, RowRange range,
                           const std::function<void(RowId, Version)>& visit) const override;

  absl::StatusOr<RetentionState> GetRetention(CollectionId collection) const override;
  absl::StatusOr<RetentionState> RaiseHorizon(const HorizonRaise& raise) override;
  absl::StatusOr<PurgeStep> Purge(CollectionId collection, RowId from, std::span<const Version> held) override;
  absl::Status EndPurge(CollectionId collection, const RetentionState& state) override;
  absl::StatusOr<uint64_t> CountPurgeable(const HorizonRaise& raise) const override;
  absl::StatusOr<PurgedRows> ReadPurged(CollectionId collection) const override;

  absl::StatusOr<std::optional<std::string>> GetDocument(CollectionId collection,
                                                         std::string_view key) const override;
  absl::Status ScanDocuments(CollectionId collection, std::string_view prefix,
                             const std::function<absl::Status(std::string_view key, std::string_view value)>& visit)
      const override;
  absl::StatusOr<std::string> GetArtifact(CollectionId collection, std::string_view hash) const override;
  absl::Status PutArtifact(CollectionId collection, const Artifact& artifact) override;

  absl::Status PutAnswer(std::string_view tenant, std::string_view id, std::string_view record) override;
  absl::StatusOr<std::string> GetAnswer(std::string_view tenant, std::string_view id) const override;
  absl::StatusOr<std::vector<std::string>> ListAnswers(std::string_view tenant, size_t limit) const override;

  absl::Status ScanAnswers(std::string_view tenant,
                           const std::function<bool(std::string_view id, std::string_view record)>& visit) const override;
  absl::StatusOr<AnswerLink> PutAnswerLinked(std::string_view tenant, std::string_view id, std::string_view record,
                                             std::string_view salt) override;
  absl::StatusOr<std::optional<AnswerLink>> GetAnswerLink(std::string_view tenant,
                                                          std::string_view id) const override;
  absl::StatusOr<uint32_t> EraseAnswerTexts(std::string_view tenant, std::string_view id,
                                            const std::set<std::string>& paths) override;
  absl::StatusOr<AnswerChainReport> VerifyAnswerChain(
      std::string_view tenant, const std::function<absl::Status(uint64_t done, uint64_t all)>& progress) const override;
  absl::StatusOr<Digest> GetAnswerLinkHash(std::string_view tenant, uint64_t number) const override;
  absl::Status ScanAnswerLinks(std::string_view tenant, uint64_t first,
                               const std::function<bool(AnswerProof&&)>& visit) const override;

  absl::Status EraseRows(CollectionId collection, std::span<const RowErasure> rows) override;
  absl::Status EraseArtifact(CollectionId collection, std::string_view hash) override;
  absl::Status CompactErased() override;

  StoreMemory Memory() const override { return rocks_->Memory(); }
  void SetBlockCacheBytes(size_t bytes) override { rocks_->SetBlockCacheBytes(bytes); }
  void FlushMemtables() override { rocks_->FlushMemtables(); }

  absl::Status PutEvaluationRecords(std::string_view tenant, std::span<const NamedRecord> records,
                                    bool only_new) override;
  absl::StatusOr<std::optional<std::string>> GetEvaluationRecord(std::string_view tenant,
                                                                 std::string_view name) const override;
  absl::Status ScanEvaluationRecords(
      std::string_view tenant, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const override;

  absl::StatusOr<std::vector<AuditEntry>> Commit(std::string_view tenant, const JournalChange& change) override;
  absl::StatusOr<uint64_t> AuditSize(std::string_view tenant) const override;
  absl::Status ScanAudit(std::string_view tenant, uint64_t first,
                         const std::function<bool(AuditEntry&&)>& visit) const override;
  absl::StatusOr<std::optional<std::string>> GetJournalRecord(std::string_view tenant,
                                                              std::string_view name) const override;
  absl::Status ScanJournalRecords(
      std::string_view tenant, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view bytes)>& visit) const override;
  std::vector<std::string> Tenants() const override;

  absl::StatusOr<uint32_t> Backup(
      const std::string& backup_dir,
      const std::function<absl::Status(double fraction)>& progress) override;

 private:
  struct Place {
    std::shared_ptr<const CollectionEntry> entry;
    CollectionState state;
  };
  absl::StatusOr<Place> Find(CollectionId collection) const;
  // What a raise makes of the state now.
  absl::StatusOr<RetentionState> Raised(const Place& place, const HorizonRaise& raise) const;
  absl::Status WriteRetention(const CollectionEntry& entry, const RetentionState& state);
  absl::Status AddChange(std::string_view tenant, TenantNumber number, const JournalChange& change,
                         rocksdb::WriteBatch& batch);

  // Constant after construction; each is thread safe.
  const std::string path_;
  const std::unique_ptr<Rocks> rocks_;
  CollectionDirectory directory_;
  LocalCommitLog log_;
  RocksCatalog catalog_;
  const CommitTable commits_;
  const RowTable rows_;
  AnswerTable answers_;
  EvaluationTable evaluations_;
  AuditTable audit_;
};

}  // namespace vouch
