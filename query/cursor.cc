#include "query/cursor.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "xxhash.h"

namespace vouch {
namespace {

// format u8 · version u64 · first_page u32 · consumed u64 · score f64 · row u64 · question u64 ·
// checksum u32, all little-endian; the checksum is the low half of XXH3-64 of what stands before
// it.
constexpr uint8_t kFormat = 1;
constexpr size_t kChecksumBytes = 4;
constexpr size_t kBytes = 1 + 8 + 4 + 8 + 8 + 8 + 8 + kChecksumBytes;
static_assert(std::endian::native == std::endian::little);

template <typename T>
void Put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <typename T>
T Take(std::string_view& in) {
  T value;
  std::memcpy(&value, in.data(), sizeof(T));
  in.remove_prefix(sizeof(T));
  return value;
}

uint32_t Checksum(std::string_view bytes) {
  return static_cast<uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "cursor: ", std::string(what), "; take it unchanged from a response's next_cursor"));
}

// Everything with its length before it, so that no two questions give the same bytes.
class QuestionBytes {
 public:
  void AddText(std::string_view text) {
    Put<uint64_t>(bytes_, text.size());
    bytes_.append(text);
  }
  template <typename T>
  void AddNumber(T value) {
    Put(bytes_, value);
  }

  void Add(const Filter& filter) {
    AddNumber(static_cast<uint8_t>(filter.op));
    AddText(filter.path);
    AddNumber<uint64_t>(filter.values.size());
    for (const FilterValue& value : filter.values) AddValue(value);
    AddNumber<uint64_t>(filter.children.size());
    for (const Filter& child : filter.children) Add(child);
  }
  void Add(const std::optional<Filter>& filter) {
    AddNumber<uint8_t>(filter.has_value());
    if (filter) Add(*filter);
  }
  void Add(const QueryNode& node) {
    AddNumber(static_cast<uint8_t>(node.node.index()));
    AddNumber(node.limit);
    Add(node.filter);
    std::visit([this](const auto& value) { AddNode(value); }, node.node);
  }

  uint64_t Hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  void AddValue(const FilterValue& value) {
    AddNumber(static_cast<uint8_t>(value.index()));
    if (const auto* text = std::get_if<std::string>(&value)) return AddText(*text);
    if (const auto* whole = std::get_if<int64_t>(&value)) return AddNumber(*whole);
    if (const auto* real = std::get_if<double>(&value)) return AddNumber(*real);
    AddNumber<uint8_t>(std::get<bool>(value));
  }
  void Add(const std::optional<Rm3>& feedback) {
    AddNumber<uint8_t>(feedback.has_value());
    if (!feedback) return;
    AddNumber(feedback->documents);
    AddNumber(feedback->terms);
    AddNumber(feedback->original_weight);
  }
  void Add(const std::optional<Rocchio>& feedback) {
    AddNumber<uint8_t>(feedback.has_value());
    if (!feedback) return;
    AddNumber(feedback->documents);
    AddNumber(feedback->alpha);
    AddNumber(feedback->beta);
  }
  void AddVector(const std::vector<float>& vector) {
    AddText(std::string_view(reinterpret_cast<const char*>(vector.data()),
                             vector.size() * sizeof(float)));
  }
  void AddNode(const AllLeaf& leaf) {
    AddText(leaf.order_by);
    AddNumber<uint8_t>(leaf.descending);
  }
  void AddNode(const DenseLeaf& leaf) {
    AddText(leaf.field);
    AddVector(leaf.vector);
    AddNumber<int64_t>(leaf.ef_search);
    AddNumber<uint8_t>(leaf.exact);
    Add(leaf.feedback);
  }
  void AddNode(const TextLeaf& leaf) {
    AddText(leaf.field);
    AddText(leaf.text);
    Add(leaf.feedback);
    AddText(leaf.query);
    AddNumber<uint64_t>(leaf.fields.size());
    for (const TextFieldBoost& field : leaf.fields) {
      AddText(field.field);
      AddNumber(field.boost);
    }
    AddNumber<uint8_t>(leaf.clause.has_value());
    if (leaf.clause) Add(*leaf.clause);
  }
  void Add(const TextClause& clause) {
    AddText(clause.field);
    AddNumber(clause.boost);
    AddNumber(static_cast<uint8_t>(clause.kind.index()));
    std::visit([this](const auto& kind) { AddClause(kind); }, clause.kind);
  }
  void Add(const std::optional<uint32_t>& number) {
    AddNumber<uint8_t>(number.has_value());
    AddNumber(number.value_or(0));
  }
  void AddClause(const TextMatch& match) {
    AddText(match.text);
    AddNumber<uint8_t>(match.all);
  }
  void AddClause(const TextPhrase& phrase) {
    AddText(phrase.text);
    AddNumber(phrase.slop);
  }
  void AddClause(const TextPrefix& prefix) { AddText(prefix.text); }
  void AddClause(const TextFuzzy& fuzzy) {
    AddText(fuzzy.text);
    Add(fuzzy.edits);
    AddNumber(fuzzy.prefix_length);
  }
  void AddClause(const TextBoolean& boolean) {
    for (const auto* list : {&boolean.must, &boolean.should, &boolean.must_not}) {
      AddNumber<uint64_t>(list->size());
      for (const TextClause& clause : *list) Add(clause);
    }
    Add(boolean.minimum_should_match);
  }
  void AddNode(const RecommendLeaf& leaf) {
    AddText(leaf.field);
    AddExamples(leaf.positive);
    AddExamples(leaf.negative);
    AddNumber(static_cast<uint8_t>(leaf.strategy));
    AddNumber<int64_t>(leaf.ef_search);
    AddNumber<uint8_t>(leaf.exact);
  }
  void AddNode(const RerankNode& rerank) {
    AddNumber(static_cast<uint8_t>(rerank.method.index()));
    if (const auto* exact = std::get_if<ExactRerank>(&rerank.method)) {
      AddText(exact->field);
      AddVector(exact->vector);
    } else if (const auto* mmr = std::get_if<MmrRerank>(&rerank.method)) {
      AddText(mmr->field);
      AddVector(mmr->vector);
      AddNumber(mmr->lambda);
    } else if (const auto* cross = std::get_if<CrossEncoderRerank>(&rerank.method)) {
      AddText(cross->model);
      AddText(cross->text);
      AddText(cross->path);
      AddNumber(static_cast<uint8_t>(cross->on_failure));
    } else if (const auto* max_sim = std::get_if<MaxSimRerank>(&rerank.method)) {
      AddTokens(max_sim->field, max_sim->tokens);
    } else {
      AddText(std::get<FormulaRerank>(rerank.method).formula);
      AddNumber(std::get<FormulaRerank>(rerank.method).missing);
    }
    Add(rerank.children[0]);
  }
  void AddExamples(const std::vector<Example>& examples) {
    AddNumber<uint64_t>(examples.size());
    for (const Example& example : examples) {
      AddNumber(static_cast<uint8_t>(example.index()));
      if (const auto* id = std::get_if<PointId>(&example)) {
        AddText(id->Encode());
      } else {
        AddVector(std::get<std::vector<float>>(example));
      }
    }
  }
  void AddNode(const SparseLeaf& leaf) {
    AddText(leaf.field);
    AddText(std::string_view(reinterpret_cast<const char*>(leaf.vector.indices.data()),
                             leaf.vector.indices.size() * sizeof(uint32_t)));
    AddText(std::string_view(reinterpret_cast<const char*>(leaf.vector.values.data()),
                             leaf.vector.values.size() * sizeof(float)));
  }
  void AddTokens(const std::string& field, const MultiVector& tokens) {
    AddText(field);
    AddNumber(tokens.dim);
    AddVector(tokens.values);
  }
  void AddNode(const MultiVectorLeaf& leaf) { AddTokens(leaf.field, leaf.tokens); }
  void AddNode(const FuseNode& fuse) {
    AddNumber(static_cast<uint8_t>(fuse.method));
    AddNumber<uint8_t>(fuse.by_reliability);
    AddNumber<uint8_t>(fuse.feedback.has_value());
    if (fuse.feedback) {
      Add(fuse.feedback->text);
      Add(fuse.feedback->dense);
      AddNumber(fuse.feedback->text_weight);
      AddNumber(fuse.feedback->dense_weight);
    }
    AddNumber(fuse.k);
    AddNumber<uint64_t>(fuse.weights.size());
    for (double weight : fuse.weights) AddNumber(weight);
    AddNumber<uint64_t>(fuse.children.size());
    for (const QueryNode& child : fuse.children) Add(child);
  }

  std::string bytes_;
};

}  // namespace

uint64_t HashQuestion(const SearchRequest& request) {
  QuestionBytes bytes;
  bytes.Add(request.query);
  bytes.Add(request.filter);
  bytes.AddText(request.principal.tenant);
  bytes.AddText(request.principal.subject);
  bytes.AddNumber<uint64_t>(request.principal.groups.size());
  for (const std::string& group : request.principal.groups) bytes.AddText(group);
  return bytes.Hash();
}

std::string EncodeCursor(const Cursor& cursor) {
  std::string bytes;
  bytes.reserve(kBytes);
  Put(bytes, kFormat);
  Put(bytes, cursor.version.value);
  Put(bytes, cursor.first_page);
  Put(bytes, cursor.consumed);
  Put(bytes, cursor.last.score);
  Put(bytes, cursor.last.row.value);
  Put(bytes, cursor.question);
  Put(bytes, Checksum(bytes));
  return absl::WebSafeBase64Escape(bytes);
}

absl::StatusOr<Cursor> DecodeCursor(std::string_view text) {
  std::string decoded;
  if (text.size() > 4 * kBytes ||
      !absl::WebSafeBase64Unescape({text.data(), text.size()}, &decoded)) {
    return Bad("it is not base64url text");
  }
  if (decoded.empty()) return Bad("it holds no bytes");
  if (decoded[0] != static_cast<char>(kFormat)) {
    return Bad(absl::StrCat("its format is ", static_cast<uint8_t>(decoded[0]),
                            ", this program reads ", kFormat));
  }
  if (decoded.size() != kBytes) {
    return Bad(absl::StrCat("it holds ", decoded.size(), " bytes, not ", kBytes));
  }
  std::string_view in = decoded;
  const uint32_t checksum = Checksum(in.substr(0, kBytes - kChecksumBytes));
  in.remove_prefix(1);
  Cursor cursor;
  cursor.version = Version(Take<uint64_t>(in));
  cursor.first_page = Take<uint32_t>(in);
  cursor.consumed = Take<uint64_t>(in);
  cursor.last.score = Take<double>(in);
  cursor.last.row = RowId(Take<uint64_t>(in));
  cursor.question = Take<uint64_t>(in);
  if (Take<uint32_t>(in) != checksum) return Bad("its checksum does not match");
  if (cursor.first_page > QueryLimits::kMaxLimit || std::isnan(cursor.last.score)) {
    return Bad("its position is out of range");
  }
  return cursor;
}

}  // namespace vouch
