#include "rag/document.h"
#include "rag/parse/take_number.h"

namespace vouch {
namespace {

// In the order of Block::Kind.
constexpr std::string_view kLetters = "hplct";

}  // namespace

std::string EncodeBlocks(const std::vector<Block>& blocks) {
  std::string text;
  for (const Block& block : blocks) {
    if (!text.empty()) text += ';';
    text += kLetters[static_cast<size_t>(block.kind)];
    text.append(std::to_string(block.begin)).append(",").append(std::to_string(block.end));
  }
  return text;
}

bool DecodeBlocks(std::string_view text, std::vector<Block>* blocks) {
  blocks->clear();
  uint64_t last_end = 0;
  while (!text.empty()) {
    if (!blocks->empty() && !TakeByte(&text, ';')) return false;
    const size_t kind = text.empty() ? kLetters.npos : kLetters.find(text.front());
    if (kind == kLetters.npos) return false;
    text.remove_prefix(1);
    Block block{.kind = static_cast<Block::Kind>(kind), .level = 0, .begin = 0, .end = 0};
    if (!TakeNumber(&text, &block.begin) || !TakeByte(&text, ',') || !TakeNumber(&text, &block.end))
      return false;
    if (block.begin < last_end || block.begin >= block.end) return false;
    last_end = block.end;
    blocks->push_back(block);
  }
  return true;
}

}  // namespace vouch
