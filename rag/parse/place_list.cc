#include <charconv>

#include "absl/strings/str_cat.h"
#include "rag/document.h"

namespace vouch {
namespace {

template <typename Number>
bool TakeNumber(std::string_view* text, Number* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return true;
}

bool TakeByte(std::string_view* text, char byte) {
  if (!text->starts_with(byte)) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

std::string EncodePlaces(const std::vector<Place>& places) {
  std::string text;
  for (const Place& place : places) {
    absl::StrAppend(&text, text.empty() ? "" : ";", place.begin, ",", place.end, "@", place.page, ":", place.left, ",",
                    place.top, ",", place.right, ",", place.bottom);
  }
  return text;
}

bool DecodePlaces(std::string_view text, std::vector<Place>* places) {
  places->clear();
  uint64_t last_end = 0;
  while (!text.empty()) {
    if (!places->empty() && !TakeByte(&text, ';')) return false;
    Place place;
    if (!TakeNumber(&text, &place.begin) || !TakeByte(&text, ',') || !TakeNumber(&text, &place.end) ||
        !TakeByte(&text, '@') || !TakeNumber(&text, &place.page) || !TakeByte(&text, ':') ||
        !TakeNumber(&text, &place.left) || !TakeByte(&text, ',') || !TakeNumber(&text, &place.top) ||
        !TakeByte(&text, ',') || !TakeNumber(&text, &place.right) || !TakeByte(&text, ',') ||
        !TakeNumber(&text, &place.bottom)) {
      return false;
    }
    if (place.begin < last_end || place.begin >= place.end || place.page == 0) return false;
    last_end = place.end;
    places->push_back(place);
  }
  return true;
}

uint32_t PageAt(const std::vector<Place>& places, uint64_t at) {
  uint32_t page = places.empty() ? 0 : places.front().page;
  for (const Place& place : places) {
    if (place.begin > at) break;
    page = place.page;
  }
  return page;
}

}  // namespace vouch
