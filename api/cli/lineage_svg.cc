#include "api/cli/lineage_svg.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/utf8.h"

namespace vouch {
namespace {

constexpr int kNodeWidth = 250, kNodeHeight = 40, kLayerGap = 130, kNodeGap = 14, kMargin = 20;
constexpr size_t kLabelCharacters = 29;
constexpr int kSweeps = 6;

// The fill of each kind's box; others are white.
const std::map<std::string, const char*>& Fills() {
  static const auto& fills = *new std::map<std::string, const char*>{
      {"answer", "#dbeafe"},   {"version", "#e5e7eb"}, {"index", "#e5e7eb"},    {"chunk", "#dcfce7"},
      {"document", "#fef9c3"}, {"source", "#fef3c7"},  {"pipeline", "#ede9fe"}, {"prompt", "#fae8ff"},
      {"model", "#ffe4e6"},    {"embedder", "#f3f4f6"}, {"parser", "#f3f4f6"},  {"chunker", "#f3f4f6"}};
  return fills;
}

// As XML takes it between tags and in attributes; what XML has no place for is U+FFFD.
std::string Escaped(const std::string& text) {
  if (!IsValidUtf8(text)) return "\xEF\xBF\xBD";
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\n': case '\r': case '\t': out += ' '; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

// At most so many characters; the middle is cut, since ids differ at their ends.
std::string Shortened(const std::string& text, size_t characters) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts.push_back(i);
  }
  if (starts.size() <= characters) return text;
  const size_t head = (characters - 1) * 2 / 3;
  const size_t tail = characters - 1 - head;
  return absl::StrCat(text.substr(0, starts[head]), "…", text.substr(starts[starts.size() - tail]));
}

class Layout {
 public:
  explicit Layout(const v1::LineageGraph& graph) : graph_(graph), nodes_(static_cast<size_t>(graph.nodes_size())) {
    for (const v1::LineageEdge& edge : graph.edges()) {
      if (edge.from() >= nodes_.size() || edge.to() >= nodes_.size() || edge.from() == edge.to()) continue;
      nodes_[edge.from()].next.push_back(edge.to());
      nodes_[edge.to()].before.push_back(edge.from());
    }
    FindLayers();
    FindOrder();
    Place();
  }

  std::string Draw() const {
    std::string svg = absl::StrCat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"", width_, "\" height=\"", height_,
        "\" viewBox=\"0 0 ", width_, " ", height_, "\" font-family=\"sans-serif\">\n<title>Lineage</title>\n",
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" "
        "orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#6b7280\"/></marker></defs>\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    for (const v1::LineageEdge& edge : graph_.edges()) DrawEdge(edge, &svg);
    for (size_t i = 0; i < nodes_.size(); ++i) DrawNode(i, &svg);
    absl::StrAppend(&svg, "</svg>\n");
    return svg;
  }

 private:
  struct Node {
    std::vector<size_t> next;
    std::vector<size_t> before;
    size_t layer = 0;
    size_t place = 0;  // in its layer
    int x = 0;
    int y = 0;
  };

  // The longest way from a node that nothing leads to. In a cycle, which no record makes, the rest keeps layer 0.
  void FindLayers() {
    std::vector<size_t> open(nodes_.size());
    std::vector<size_t> ready;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      open[i] = nodes_[i].before.size();
      if (open[i] == 0) ready.push_back(i);
    }
    for (size_t at = 0; at < ready.size(); ++at) {
      for (const size_t next : nodes_[ready[at]].next) {
        nodes_[next].layer = std::max(nodes_[next].layer, nodes_[ready[at]].layer + 1);
        if (--open[next] == 0) ready.push_back(next);
      }
    }
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (layers_.size() <= nodes_[i].layer) layers_.resize(nodes_[i].layer + 1);
      nodes_[i].place = layers_[nodes_[i].layer].size();
      layers_[nodes_[i].layer].push_back(i);
    }
  }

  void FindOrder() {
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      const bool forward = sweep % 2 == 0;
      for (size_t step = 0; step < layers_.size(); ++step) {
        SortLayer(forward ? step : layers_.size() - 1 - step, forward);
      }
    }
  }

  // By the mean place of the neighbours on the one side, as a share of their layers; who has none stays about where it is.
  void SortLayer(size_t layer, bool forward) {
    std::vector<std::pair<double, size_t>> keys;
    for (const size_t node : layers_[layer]) {
      const std::vector<size_t>& neighbours = forward ? nodes_[node].before : nodes_[node].next;
      double sum = 0;
      for (const size_t neighbour : neighbours) sum += ShareOf(neighbour);
      keys.emplace_back(neighbours.empty() ? ShareOf(node) : sum / static_cast<double>(neighbours.size()), node);
    }
    std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t place = 0; place < keys.size(); ++place) {
      layers_[layer][place] = keys[place].second;
      nodes_[keys[place].second].place = place;
    }
  }
  double ShareOf(size_t node) const {
    return (static_cast<double>(nodes_[node].place) + 0.5) / static_cast<double>(layers_[nodes_[node].layer].size());
  }

  // Layers side by side, each in the middle of the height.
  void Place() {
    size_t most = 1;
    for (const auto& layer : layers_) most = std::max(most, layer.size());
    const auto height_of = [](size_t count) { return static_cast<int>(count) * (kNodeHeight + kNodeGap) - kNodeGap; };
    height_ = height_of(most) + 2 * kMargin;
    width_ = 2 * kMargin + static_cast<int>(std::max<size_t>(layers_.size(), 1)) * (kNodeWidth + kLayerGap) - kLayerGap;
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
      const int top = (height_ - height_of(layers_[layer].size())) / 2;
      for (const size_t node : layers_[layer]) {
        nodes_[node].x = kMargin + static_cast<int>(layer) * (kNodeWidth + kLayerGap);
        nodes_[node].y = top + static_cast<int>(nodes_[node].place) * (kNodeHeight + kNodeGap);
      }
    }
  }

  void DrawEdge(const v1::LineageEdge& edge, std::string* svg) const {
    if (edge.from() >= nodes_.size() || edge.to() >= nodes_.size()) return;
    const Node& from = nodes_[edge.from()];
    const Node& to = nodes_[edge.to()];
    const int x1 = from.x + kNodeWidth, y1 = from.y + kNodeHeight / 2;
    const int x2 = to.x, y2 = to.y + kNodeHeight / 2;
    const int bend = kLayerGap / 2;
    // Over layers in between an edge keeps to the gap before its end, so that it crosses no box where it bends.
    absl::StrAppend(svg, "<path d=\"M", x1, " ", y1, "C", x1 + bend, " ", y1, " ", x2 - bend, " ", y2, " ", x2, " ", y2,
                    "\" fill=\"none\" stroke=\"#9ca3af\" marker-end=\"url(#arrow)\"><title>", Escaped(edge.what()),
                    "</title></path>\n");
    // Next to the end, where edges of one node lie apart.
    absl::StrAppend(svg, "<text x=\"", x2 - 10, "\" y=\"", y2 - 4,
                    "\" text-anchor=\"end\" font-size=\"10\" fill=\"#6b7280\">", Escaped(edge.what()), "</text>\n");
  }

  void DrawNode(size_t index, std::string* svg) const {
    const Node& node = nodes_[index];
    const v1::LineageNode& shown = graph_.nodes(static_cast<int>(index));
    const auto fill = Fills().find(shown.kind());
    const std::string& label = shown.label().empty() ? shown.id() : shown.label();
    absl::StrAppend(svg, "<g><title>", Escaped(absl::StrCat(shown.kind(), " ", shown.id())),
                    shown.label().empty() || shown.label() == shown.id() ? "" : Escaped(absl::StrCat(": ", shown.label())),
                    "</title><rect x=\"", node.x, "\" y=\"", node.y, "\" width=\"", kNodeWidth, "\" height=\"", kNodeHeight,
                    "\" rx=\"5\" fill=\"", fill == Fills().end() ? "#ffffff" : fill->second, "\" stroke=\"#6b7280\"/>");
    absl::StrAppend(svg, "<text x=\"", node.x + 10, "\" y=\"", node.y + 15, "\" font-size=\"10\" fill=\"#4b5563\">",
                    Escaped(shown.kind()), "</text><text x=\"", node.x + 10, "\" y=\"", node.y + 31,
                    "\" font-size=\"13\" fill=\"#111827\">", Escaped(Shortened(label, kLabelCharacters)),
                    "</text></g>\n");
  }

  const v1::LineageGraph& graph_;
  std::vector<Node> nodes_;
  std::vector<std::vector<size_t>> layers_;
  int width_ = 0;
  int height_ = 0;
};

}  // namespace

std::string LineageSvg(const v1::LineageGraph& graph) { return Layout(graph).Draw(); }

}  // namespace vouch
