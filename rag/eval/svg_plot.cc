#include "rag/eval/svg_plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "storage/concat.h"

namespace vouch {
namespace {

constexpr double kWidth = 720;
constexpr double kLabel = 200;   // for the rows' names
constexpr double kMargin = 24;
constexpr double kRow = 24;
constexpr double kHeight = 220;  // of plots without rows
constexpr size_t kBins = 20;
constexpr size_t kMaxBars = 400;  // more are thinned out

std::string Open(std::string_view title, double height) {
  return absl::StrFormat(
      "<figure><figcaption>%s</figcaption><svg viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
      "height=\"%.0f\" role=\"img\" aria-label=\"%s\">\n",
      EscapeHtml(title), kWidth, height, kWidth, height, EscapeHtml(title));
}
std::string Close() { return "</svg></figure>\n"; }

std::string Text(double x, double y, std::string_view anchor, std::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y,
                         std::string(anchor), EscapeHtml(text));
}
std::string Line(double x1, double y1, double x2, double y2, std::string_view kind) {
  return absl::StrFormat(
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2,
      std::string(kind));
}
std::string Bar(double x, double y, double width, double height, std::string_view kind) {
  return absl::StrFormat(
      "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" class=\"%s\"/>\n", x, y, width,
      height, std::string(kind));
}

std::string Nothing(std::string_view title) {
  return Open(title, 60) + Text(kWidth / 2, 36, "middle", "nothing to draw") + Close();
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string PlotIntervals(std::string_view title, const std::vector<PlotRow>& rows,
                          double reference) {
  std::vector<PlotRow> drawn;
  double low = reference;
  double high = reference;
  for (const PlotRow& row : rows) {
    if (!std::isfinite(row.value)) continue;
    drawn.push_back(row);
    for (double value : {row.value, row.interval.low, row.interval.high}) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (drawn.empty()) return Nothing(title);
  const double span = high > low ? high - low : 1;
  const double height = kRow * static_cast<double>(drawn.size()) + 2 * kMargin;
  const auto x = [&](double value) {
    return kLabel + (value - low) / span * (kWidth - kLabel - kMargin);
  };
  std::string svg = Open(title, height);
  svg += Line(x(reference), kMargin / 2, x(reference), height - kMargin, "reference");
  for (size_t i = 0; i < drawn.size(); ++i) {
    const PlotRow& row = drawn[i];
    const double y = kMargin + kRow * static_cast<double>(i);
    svg += Text(kLabel - 10, y + 4, "end", row.label);
    if (std::isfinite(row.interval.low) && std::isfinite(row.interval.high)) {
      svg += Line(x(row.interval.low), y, x(row.interval.high), y, "whisker");
    }
    svg += absl::StrFormat("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" class=\"dot\"><title>%s</title></circle>\n",
                           x(row.value), y,
                           EscapeHtml(absl::StrFormat("%s %.4f", row.label, row.value)));
  }
  svg += Text(kLabel, height - 6, "middle", absl::StrFormat("%.3g", low));
  svg += Text(kWidth - kMargin, height - 6, "middle", absl::StrFormat("%.3g", low + span));
  return svg + Close();
}

std::string PlotHistogram(std::string_view title, const std::vector<double>& values, double low,
                          double high) {
  std::vector<size_t> bins(kBins, 0);
  size_t counted = 0;
  for (double value : values) {
    if (!std::isfinite(value) || !(high > low)) continue;
    const double place = std::clamp((value - low) / (high - low), 0.0, 1.0);
    ++bins[std::min(kBins - 1, static_cast<size_t>(place * kBins))];
    ++counted;
  }
  if (counted == 0) return Nothing(title);
  const size_t most = *std::max_element(bins.begin(), bins.end());
  const double width = (kWidth - 2 * kMargin) / kBins;
  std::string svg = Open(title, kHeight);
  for (size_t i = 0; i < kBins; ++i) {
    const double height =
        static_cast<double>(bins[i]) / static_cast<double>(most) * (kHeight - 3 * kMargin);
    const double x = kMargin + width * static_cast<double>(i);
    svg += Bar(x + 1, kHeight - kMargin - height, width - 2, height, "bar");
    if (bins[i] > 0) {
      svg += Text(x + width / 2, kHeight - kMargin - height - 4, "middle", Concat(bins[i]));
    }
  }
  svg += Text(kMargin, kHeight - 6, "start", absl::StrFormat("%.3g", low));
  svg += Text(kWidth - kMargin, kHeight - 6, "end", absl::StrFormat("%.3g", high));
  return svg + Close();
}

std::string PlotDifferences(std::string_view title, const std::vector<double>& ascending) {
  std::vector<double> values;
  for (double value : ascending) {
    if (std::isfinite(value)) values.push_back(value);
  }
  if (values.empty()) return Nothing(title);
  const double most = std::max({std::abs(values.front()), std::abs(values.back()), 1e-12});
  const size_t bars = std::min(values.size(), kMaxBars);
  const double width = (kWidth - 2 * kMargin) / static_cast<double>(bars);
  const double zero = kHeight / 2;
  std::string svg = Open(title, kHeight);
  for (size_t i = 0; i < bars; ++i) {
    const double value = values[i * values.size() / bars];
    const double height = std::abs(value) / most * (zero - kMargin);
    const double x = kMargin + width * static_cast<double>(i);
    svg += Bar(x, value > 0 ? zero - height : zero, std::max(width - 0.5, 0.5), height,
               value > 0 ? "gain" : "loss");
  }
  svg += Line(kMargin, zero, kWidth - kMargin, zero, "reference");
  svg += Text(kMargin, kMargin - 8, "start", absl::StrFormat("%+.3g", most));
  svg += Text(kMargin, kHeight - 6, "start", absl::StrFormat("%+.3g", -most));
  return svg + Close();
}

}  // namespace vouch
