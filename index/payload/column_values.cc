#include <algorithm>
#include <string>

#include "index/payload/column.h"

namespace vouch {

PayloadValue Column::ValueOf(uint32_t code) const {
  switch (type_) {
    case PayloadType::kKeyword:
    case PayloadType::kText:
      return std::string(keywords_.term(code));
    case PayloadType::kBool:
      return integers_[code] != 0;
    case PayloadType::kInteger:
    case PayloadType::kDatetime:
      return integers_[code];
    case PayloadType::kFloat:
      return floats_[code];
    case PayloadType::kGeo:
      return points_[code];
  }
  return false;
}

uint32_t Column::LowerBound(const PayloadValue& value) const {
  const auto place = [](const auto& dictionary, auto wanted) {
    return static_cast<uint32_t>(std::lower_bound(dictionary.begin(), dictionary.end(), wanted) -
                                 dictionary.begin());
  };
  if (const auto* text = std::get_if<std::string>(&value)) {
    return static_cast<uint32_t>(keywords_.LowerBound(*text));
  }
  if (const auto* real = std::get_if<double>(&value)) return place(floats_, *real);
  if (const auto* point = std::get_if<GeoPoint>(&value)) return PlaceOfPoint(*point);
  if (const auto* whole = std::get_if<int64_t>(&value)) return place(integers_, *whole);
  return place(integers_, int64_t{std::get<bool>(value)});
}

}  // namespace vouch
