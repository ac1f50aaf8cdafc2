// What a chain of answers is read from: links, tips, salts and records. The bytes are tried as they are and with a seal.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "storage/answer_chain.h"
#include "storage/checksum.h"

namespace {

void Decode(std::string_view bytes) {
  const auto link = vouch::DecodeAnswerLink(7, bytes);
  if (link.ok() && vouch::EncodeAnswerLink(*link).size() > bytes.size()) std::abort();
  const auto tip = vouch::DecodeChainTip(bytes);
  if (tip.ok() && vouch::EncodeChainTip(*tip) != bytes) std::abort();
  (void)vouch::DecodeStoredAnswer("a", bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Decode(bytes);
  for (const uint64_t seed : {0u, 7u}) {
    std::string sealed = bytes;
    vouch::Seal(sealed, seed);
    Decode(sealed);
  }
  const vouch::AnswerSalts salts("salt");
  const vouch::ErasedAnswer erased = vouch::EraseTexts(bytes, salts, {"text", "hits[0].payload", "question"});
  if (vouch::DigestAnswer(erased.record, erased.salts).digest != vouch::DigestAnswer(bytes, salts).digest) std::abort();
  (void)vouch::ListErasedTexts(bytes);
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::StoredLink link;
  link.id = "0193590c-2a7e-7c33-a5b8-1e4a60cd2f11";
  link.salts = vouch::AnswerSalts("0123456789abcdef");
  std::string stored = vouch::EncodeAnswerLink(link);
  stored.resize(stored.size() - vouch::kSealBytes);
  std::string tip = vouch::EncodeChainTip({.first = 1, .last = 2});
  tip.resize(tip.size() - vouch::kSealBytes);
  return {stored, tip, R"({"text":"a","hits":[{"payload":"b"}],"question":{"erased":"00"}})"};
}
