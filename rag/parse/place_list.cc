#include "absl/strings/str_cat.h"
#include "rag/document.h"
#include "rag/parse/take_number.h"

namespace vouch {

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
