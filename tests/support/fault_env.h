#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace vouch {

class FaultFileSystem;

// A rocksdb::Env over the real files that loses power and runs out of space when told to. It never
// syncs for real: what counts as durable is what the code synced, so tests of many crashes stay
// quick. Thread safe, but for Recover.
//
// Losing power: from one mutating operation on (append, sync, create, rename, delete) nothing
// changes any more and all such operations fail. Recover, with the store closed, then takes the
// files back to what the disk may hold: of bytes that were not synced none, some (torn) or all
// stay; files that were created, renamed or deleted, and whose folder was not synced since, stay so
// up to some moment, and after it do not.
class FaultEnv {
 public:
  explicit FaultEnv(uint64_t seed);
  ~FaultEnv();
  FaultEnv(const FaultEnv&) = delete;
  FaultEnv& operator=(const FaultEnv&) = delete;

  void* env();  // for StoreOptions::rocksdb_env

  // Power goes at the operation after `operations` more; 0: now.
  void CrashAfter(uint64_t operations);
  bool crashed() const;
  void Recover();

  // From now on the disk lies: it says that files whose names end with `ending` are synced, and
  // does not sync them. Only to see that a test notices.
  void IgnoreSyncsOf(std::string ending);

  // Appends fail with "no space" once they have written `bytes` more; nullopt: never.
  void SetFreeBytes(std::optional<uint64_t> bytes);

 private:
  std::shared_ptr<FaultFileSystem> files_;
  struct Holder;
  std::unique_ptr<Holder> holder_;
};

// Flips one bit of a file. False where the file has no such byte.
bool FlipBit(const std::string& path, uint64_t byte, int bit);

}  // namespace vouch
