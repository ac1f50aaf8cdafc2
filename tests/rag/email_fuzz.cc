#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/parse/email.h"
#include "rag/chunk/chunker.h"
#include "tests/rag/span_checks.h"

std::vector<std::string> FuzzSeeds() {
  return {"Subject: =?utf-8?Q?a=C3=BC?=\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/html; charset=latin1\nContent-Transfer-Encoding: quoted-printable\n\n<p>x=E9\n--b\nContent-Type: text/csv; name*0*=utf-8''a%20b; name*1=.csv\nContent-Transfer-Encoding: base64\n\nYSxiCg==\n--b\nContent-Type: message/rfc822\n\nA: b\n\nc\n--b--\n"};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  // No program is to be started for a PDF inside.
  ::setenv("PATH", "/nowhere", 1);
  const absl::StatusOr<vouch::ParsedDocument> parsed = vouch::ParseEmail(bytes);
  if (!parsed.ok()) return 0;
  if (!vouch::DocumentIsSound(parsed->text, *parsed)) std::abort();
  const vouch::Chunker chunker({.method = vouch::ChunkOptions::Method::kParentChild, .child_tokens = 8, .parent_tokens = 20});
  for (const vouch::Chunk& chunk : chunker.Split(*parsed, vouch::MediaType::kText)) {
    if (!vouch::SpansAreExact(parsed->text, chunk.text, chunk.spans)) std::abort();
  }
  return 0;
}
