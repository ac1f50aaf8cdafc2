#pragma once

#include <string>
#include <vector>

namespace vouch {

// A line of a page, in Helvetica; x and y in points from the lower left corner of a letter page (612 x 792).
struct PdfText {
  int x = 72;
  int y = 720;
  int size = 11;
  std::string text;  // ASCII without parentheses and backslashes
};

// A small, valid PDF 1.4 without compression (ISO 32000-1, section 7.5).
inline std::string WritePdf(const std::vector<std::vector<PdfText>>& pages) {
  std::vector<std::string> objects = {"<< /Type /Catalog /Pages 2 0 R >>", "",
                                      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"};
  std::string kids;
  for (const auto& page : pages) {
    std::string content = "BT\n";
    for (const PdfText& line : page) {
      content.append("/F1 ").append(std::to_string(line.size)).append(" Tf 1 0 0 1 ").append(std::to_string(line.x));
      content.append(" ").append(std::to_string(line.y)).append(" Tm (").append(line.text).append(") Tj\n");
    }
    content.append("ET");
    objects.push_back(std::string("<< /Length ").append(std::to_string(content.size())).append(" >>\nstream\n"));
    objects.back().append(content).append("\nendstream");
    objects.push_back(std::string("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ")
                          .append(std::to_string(objects.size()))
                          .append(" 0 R /Resources << /Font << /F1 3 0 R >> >> >>"));
    kids.append(std::to_string(objects.size())).append(" 0 R ");
  }
  objects[1] = std::string("<< /Type /Pages /Kids [").append(kids).append("] /Count ");
  objects[1].append(std::to_string(pages.size())).append(" >>");
  std::string pdf = "%PDF-1.4\n";
  std::string table;
  for (size_t i = 0; i < objects.size(); ++i) {
    std::string offset = std::to_string(pdf.size());
    table.append(10 - offset.size(), '0').append(offset).append(" 00000 n \n");
    pdf.append(std::to_string(i + 1)).append(" 0 obj\n").append(objects[i]).append("\nendobj\n");
  }
  const std::string count = std::to_string(objects.size() + 1);
  const std::string start = std::to_string(pdf.size());
  pdf.append("xref\n0 ").append(count).append("\n0000000000 65535 f \n").append(table);
  pdf.append("trailer << /Size ").append(count).append(" /Root 1 0 R >>\nstartxref\n").append(start).append("\n%%EOF\n");
  return pdf;
}

}  // namespace vouch
