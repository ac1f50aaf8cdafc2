// A bundle that anybody may have written: it is looked through to the end, and nothing more.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rag/export/bundle_check.h"
#include "rag/export/bundle_files.h"
#include "rag/export/bundle_format.h"
#include "rag/export/tar.h"
#include "storage/audit_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view archive(reinterpret_cast<const char*>(data), size);
  (void)vouch::ReadTar(archive);
  (void)vouch::CheckBundle(archive, {});
  (void)vouch::DecodeBundleLink(archive, 1);
  (void)vouch::DecodeBundleEntry(archive);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::BundleLink link;
  link.proof.link.number = 1;
  link.proof.id = "a";
  link.record = vouch::BundleAnswerPath(1);
  vouch::AuditEntry entry;
  entry.number = 1;
  entry.tenant = "t";
  entry.change = {.time_us = 1, .actor = "t/a", .action = "promote", .subject = "pipeline/p@c", .after = R"({"number":1,"gates":[{}]})"};
  entry.previous = entry.hash = vouch::NoAuditHash();
  std::string archive;
  const vouch::TarWriter::Sink sink = [&](std::string_view bytes) {
    archive.append(bytes);
    return absl::OkStatus();
  };
  {
    vouch::BundleFiles files(sink);
    (void)files.Add(link.record, R"({"id":"a","text":"x"})");
    (void)files.AddLines("answers/chain-1.jsonl", {vouch::EncodeBundleLink(link)});
    (void)files.AddLines("audit/1.jsonl", {vouch::EncodeBundleEntry(entry)});
    (void)files.AddLines("pipelines.jsonl", {R"({"pipeline":"p@1","hash":"h","spec":"s"})"});
    (void)files.AddLines("datasets.jsonl", {R"({"format":1})"});
    std::string seal;
    (void)files.Finish({{"format", vouch::kBundleFormat}, {"tenant", "t"}, {"answers", {{"last", 1}}}}, &seal);
  }
  return {archive, vouch::EncodeBundleLink(link), vouch::EncodeBundleEntry(entry)};
}
