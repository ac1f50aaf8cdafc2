#include "rag/export/bundle_files.h"

#include <utility>

#include "rag/export/bundle_format.h"
#include "storage/sha256.h"

namespace vouch {

absl::Status BundleFiles::Add(std::string_view path, std::string_view bytes) {
  if (absl::Status status = tar_.Add(path, bytes); !status.ok()) return status;
  listed_.push_back({std::string(path), bytes.size(), HexOf(Sha256Of(bytes))});
  return absl::OkStatus();
}

absl::Status BundleFiles::AddLines(std::string_view path, const std::vector<std::string>& lines) {
  if (lines.empty()) return absl::OkStatus();
  std::string bytes;
  for (const std::string& line : lines) bytes.append(line).append("\n");
  return Add(path, bytes);
}

absl::Status BundleFiles::Finish(RecordJson manifest, std::string* seal) {
  RecordJson files = RecordJson::array();
  for (const Listed& file : listed_)
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  manifest["files"] = std::move(files);
  const std::string text = manifest.dump(1, ' ', false, RecordJson::error_handler_t::replace) + "\n";
  if (absl::Status status = Add(kBundleManifest, text); !status.ok()) return status;
  std::string sums;
  for (const Listed& file : listed_) sums += Concat(file.sha256, "  ", file.path, "\n");
  *seal = HexOf(Sha256Of(sums));
  if (absl::Status status = Add(kBundleSums, sums); !status.ok()) return status;
  return tar_.Finish();
}

absl::Status BundleLines::Add(uint64_t number, std::string_view line) {
  if (bytes_.empty()) first_ = number;
  bytes_.append(line).append("\n");
  return bytes_.size() < kMaxBytes ? absl::OkStatus() : Flush();
}

absl::Status BundleLines::Flush() {
  if (bytes_.empty()) return absl::OkStatus();
  return files_.Add(Concat(prefix_, BundleNumber(first_), ".jsonl"), std::exchange(bytes_, ""));
}

}  // namespace vouch
