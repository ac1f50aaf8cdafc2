#pragma once

#include <zip.h>

#include <string>
#include <utility>
#include <vector>

namespace vouch {

// A ZIP archive of parts, deflated.
inline std::string WriteZip(const std::vector<std::pair<std::string, std::string>>& parts) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(target);
  zip_t* const archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  for (const auto& [name, bytes] : parts) {
    zip_file_add(archive, name.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0), ZIP_FL_ENC_UTF_8);
  }
  zip_close(archive);
  zip_source_open(target);
  zip_source_seek(target, 0, SEEK_END);
  std::string out(static_cast<size_t>(zip_source_tell(target)), '\0');
  zip_source_seek(target, 0, SEEK_SET);
  zip_source_read(target, out.data(), out.size());
  zip_source_close(target);
  zip_source_free(target);
  return out;
}

// A Word document with this in its body, and the styles "H1", "H2" (headings 1 and 2) and "L" (a list).
inline std::string WriteDocx(const std::string& body, const std::string& title = "") {
  const std::string ns = " xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
  const std::string head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
  std::vector<std::pair<std::string, std::string>> parts;
  parts.emplace_back("word/document.xml", std::string(head).append("<w:document").append(ns).append("><w:body>").append(body)
                                              .append("</w:body></w:document>"));
  parts.emplace_back(
      "word/styles.xml",
      std::string(head).append("<w:styles").append(ns).append(
          "><w:style w:styleId=\"H1\"><w:name w:val=\"heading 1\"/></w:style><w:style w:styleId=\"H2\"><w:name "
          "w:val=\"heading 2\"/></w:style><w:style w:styleId=\"L\"><w:name w:val=\"List Bullet\"/><w:pPr><w:numPr/></w:pPr>"
          "</w:style></w:styles>"));
  if (!title.empty()) {
    parts.emplace_back("docProps/core.xml",
                       std::string(head).append("<c:coreProperties xmlns:c=\"c\" xmlns:dc=\"dc\"><dc:title>").append(title)
                           .append("</dc:title></c:coreProperties>"));
  }
  return WriteZip(parts);
}

}  // namespace vouch
