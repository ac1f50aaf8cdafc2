#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "rag/parse/docx.h"
#include "rag/chunk/chunker.h"
#include "tests/rag/span_checks.h"
#include "tests/support/zip_writer.h"

std::vector<std::string> FuzzSeeds() {
  return {"<w:document><w:body><w:p><w:pPr><w:pStyle w:val=\"Heading1\"/><w:outlineLvl w:val=\"0\"/></w:pPr><w:r><w:t>a</w:t><w:tab/><w:br/></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc><w:sdt><w:sdtContent><w:tc/></w:sdtContent></w:sdt></w:tr></w:tbl></w:body></w:document>", vouch::WriteDocx("<w:p><w:r><w:t>c</w:t></w:r></w:p>", "t")};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  // As an archive, and as the main part of one.
  for (const std::string& archive : {bytes, vouch::WriteZip({{"word/document.xml", bytes}})}) {
    const absl::StatusOr<vouch::ParsedDocument> parsed = vouch::ParseDocx(archive);
    if (parsed.ok() && !vouch::DocumentIsSound(parsed->text, *parsed)) std::abort();
  }
  return 0;
}
