#include "index/access_column.h"

#include <algorithm>
#include <map>

#include "index/flat_codec.h"

namespace vouch {

// Numbers lists by first use.
class AccessColumn::Interner {
 public:
  explicit Interner(AccessColumn& column) : column_(column) {}

  void AddRow(const std::vector<std::string>& list) {
    if (list.empty()) {
      column_.list_of_row_.push_back(kEveryone);
      return;
    }
    std::vector<std::string> sorted = list;
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    const auto [known, added] = numbers_.try_emplace(sorted, static_cast<uint32_t>(column_.lists_.size()));
    if (added) column_.lists_.push_back(std::move(sorted));
    column_.list_of_row_.push_back(known->second);
  }

 private:
  AccessColumn& column_;
  std::map<std::vector<std::string>, uint32_t> numbers_;
};

std::shared_ptr<const AccessColumn> AccessColumn::Build(std::span<const std::vector<std::string>* const> rows) {
  if (std::all_of(rows.begin(), rows.end(), [](const auto* list) { return list->empty(); })) return nullptr;
  auto column = std::make_shared<AccessColumn>();
  Interner interner(*column);
  for (const std::vector<std::string>* list : rows) interner.AddRow(*list);
  return column;
}

std::shared_ptr<const AccessColumn> AccessColumn::Merge(std::span<const AccessColumn* const> parts,
                                                        std::span<const uint32_t> part_rows) {
  if (std::all_of(parts.begin(), parts.end(), [](const auto* part) { return part == nullptr; })) return nullptr;
  static const std::vector<std::string>& everyone = *new std::vector<std::string>();
  auto column = std::make_shared<AccessColumn>();
  Interner interner(*column);
  for (size_t i = 0; i < parts.size(); ++i) {
    for (uint32_t row = 0; row < part_rows[i]; ++row) {
      const uint32_t list = parts[i] == nullptr ? kEveryone : parts[i]->list_of_row_[row];
      interner.AddRow(list == kEveryone ? everyone : parts[i]->lists_[list]);
    }
  }
  return column;
}

std::string AccessColumn::Serialize() const {
  FlatWriter writer;
  writer.Number(static_cast<uint32_t>(lists_.size()));
  for (const std::vector<std::string>& list : lists_) {
    writer.Number(static_cast<uint32_t>(list.size()));
    for (const std::string& name : list) {
      writer.Number(static_cast<uint32_t>(name.size()));
      writer.Bytes(name);
    }
  }
  writer.Array(list_of_row_);
  return std::move(writer).Take();
}

absl::StatusOr<std::shared_ptr<const AccessColumn>> AccessColumn::Parse(std::string_view bytes, uint32_t rows) {
  const absl::Status damaged = absl::DataLossError("access: the lists do not decode");
  auto column = std::make_shared<AccessColumn>();
  FlatReader reader(bytes);
  uint32_t lists = 0;
  if (!reader.Number(&lists)) return damaged;
  for (uint32_t i = 0; i < lists; ++i) {
    uint32_t names = 0;
    if (!reader.Number(&names)) return damaged;
    std::vector<std::string> list;
    for (uint32_t j = 0; j < names; ++j) {
      uint32_t size = 0;
      if (!reader.Number(&size) || !reader.Bytes(size, &list.emplace_back())) return damaged;
    }
    // An empty list would show its rows to nobody, which no writer means.
    if (list.empty()) return damaged;
    column->lists_.push_back(std::move(list));
  }
  if (!reader.Array(rows, &column->list_of_row_) || !reader.AtEnd()) return damaged;
  for (uint32_t list : column->list_of_row_) {
    if (list != kEveryone && list >= column->lists_.size()) return damaged;
  }
  return column;
}

std::vector<bool> AccessColumn::Permitted(const Principal& principal) const {
  std::vector<bool> permitted;
  permitted.reserve(lists_.size());
  for (const std::vector<std::string>& list : lists_) {
    permitted.push_back(std::any_of(list.begin(), list.end(), [&](const std::string& name) {
      return name == principal.subject ||
             std::find(principal.groups.begin(), principal.groups.end(), name) != principal.groups.end();
    }));
  }
  return permitted;
}

bool AccessColumn::MayHideFrom(const Principal& principal) const {
  const std::vector<bool> permitted = Permitted(principal);
  return std::find(permitted.begin(), permitted.end(), false) != permitted.end();
}

void AccessColumn::ClearHidden(const Principal& principal, Bitmap& rows) const {
  const std::vector<bool> permitted = Permitted(principal);
  for (size_t row = 0; row < list_of_row_.size(); ++row) {
    const uint32_t list = list_of_row_[row];
    if (list != kEveryone && !permitted[list]) rows.Clear(row);
  }
}

size_t AccessColumn::memory_bytes() const {
  size_t bytes = list_of_row_.size() * sizeof(uint32_t);
  for (const std::vector<std::string>& list : lists_) {
    for (const std::string& name : list) bytes += sizeof(name) + name.size();
  }
  return bytes;
}

}  // namespace vouch
