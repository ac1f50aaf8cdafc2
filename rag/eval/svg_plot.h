#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rag/eval/interval.h"

namespace vouch {

// Plots as inline SVG: no script, no style sheet, nothing from a network. Figures that are no numbers
// are left out; a plot with nothing to draw says so. Text is escaped.

// For text and attributes of HTML.
std::string EscapeHtml(std::string_view text);

// A value with its interval, one line each.
struct PlotRow {
  std::string label = {};
  double value = 0;
  Interval interval = {};
};
// Dots with whiskers over one axis, with a line at `reference` where it lies on the axis.
std::string PlotIntervals(std::string_view title, const std::vector<PlotRow>& rows,
                          double reference);

// How many values lie in each of 20 bins from `low` to `high`.
std::string PlotHistogram(std::string_view title, const std::vector<double>& values, double low,
                          double high);

// Values side by side as bars from zero, ascending: losses to the left, gains to the right.
std::string PlotDifferences(std::string_view title, const std::vector<double>& ascending);

}  // namespace vouch
