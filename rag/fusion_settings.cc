#include "rag/fusion_settings.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/concat.h"
#include "storage/store.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Damaged(size_t entry, std::string_view what) {
  return absl::DataLossError(Concat("the fusion history is damaged: entry ", entry, " ", what));
}

std::optional<FusionMethod> MethodOf(std::string_view name) {
  for (FusionMethod method : {FusionMethod::kRrf, FusionMethod::kMinMax, FusionMethod::kZScore,
                              FusionMethod::kBounds, FusionMethod::kDbsf}) {
    if (FusionMethodName(method) == name) return method;
  }
  return std::nullopt;
}

Json ToJson(const TunedFusion& tuned) {
  Json json = {{"method", FusionMethodName(tuned.settings.method)},
          {"text_weight", tuned.settings.text_weight},
          {"dense_weight", tuned.settings.dense_weight},
          {"by_reliability", tuned.settings.by_reliability},
          {"feedback_weight", tuned.settings.feedback_weight}};
  // Left out where there is none: entries of older programs keep their ids.
  if (tuned.settings.phrase_weight > 0) json["phrase_weight"] = tuned.settings.phrase_weight;
  json.update({{"judgements", tuned.judgements},
               {"tuned_at", tuned.tuned_at.value},
               {"embedder", tuned.embedder},
               {"queries", tuned.queries},
               {"folds", tuned.folds},
               {"tuned", tuned.tuned},
               {"text", tuned.text},
               {"dense", tuned.dense},
               {"standard", tuned.standard}});
  return json;
}

// Takes the values of one entry; the first that is missing or out of range names itself.
class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  void Number(const char* key, double* value) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_number()) return Fail(key);
    *value = found->get<double>();
    if (!std::isfinite(*value) || *value < 0 || *value > 1) Fail(key);
  }
  template <typename T>
  void Whole(const char* key, T* value) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_number_unsigned()) return Fail(key);
    const auto whole = found->get<uint64_t>();
    *value = static_cast<T>(whole);
    if (static_cast<uint64_t>(*value) != whole) Fail(key);
  }
  void Text(const char* key, std::string* value) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_string()) return Fail(key);
    *value = found->get<std::string>();
  }
  void Bool(const char* key, bool* value) {
    const auto found = json_.find(key);
    if (found == json_.end() || !found->is_boolean()) return Fail(key);
    *value = found->get<bool>();
  }
  void Fail(std::string_view key) {
    if (bad_.empty()) bad_ = Concat("has no good ", key);
  }
  const std::string& bad() const { return bad_; }

 private:
  const Json& json_;
  std::string bad_;
};

std::string ReadTuned(const Json& json, TunedFusion* tuned) {
  Reader reader(json);
  std::string method;
  reader.Text("method", &method);
  const std::optional<FusionMethod> known = MethodOf(method);
  if (!known) reader.Fail("method");
  tuned->settings.method = known.value_or(FusionMethod::kZScore);
  reader.Number("text_weight", &tuned->settings.text_weight);
  reader.Number("dense_weight", &tuned->settings.dense_weight);
  reader.Bool("by_reliability", &tuned->settings.by_reliability);
  reader.Number("feedback_weight", &tuned->settings.feedback_weight);
  if (json.contains("phrase_weight")) {
    reader.Number("phrase_weight", &tuned->settings.phrase_weight);
  }
  reader.Text("judgements", &tuned->judgements);
  reader.Whole("tuned_at", &tuned->tuned_at.value);
  reader.Text("embedder", &tuned->embedder);
  reader.Whole("queries", &tuned->queries);
  reader.Whole("folds", &tuned->folds);
  reader.Number("tuned", &tuned->tuned);
  reader.Number("text", &tuned->text);
  reader.Number("dense", &tuned->dense);
  reader.Number("standard", &tuned->standard);
  return reader.bad();
}

}  // namespace

std::string FormatFusion(const FusionSettings& settings) {
  return absl::StrCat(
      std::string(FusionMethodName(settings.method)), ", text ", settings.text_weight, ", dense ",
      settings.dense_weight, settings.by_reliability ? " by reliability" : "",
      settings.feedback_weight == 0 ? std::string(", no feedback")
                                    : absl::StrCat(", feedback ", settings.feedback_weight),
      settings.phrase_weight == 0 ? std::string()
                                  : absl::StrCat(", phrases ", settings.phrase_weight));
}

std::string FusionEntry::id() const {
  return removed ? ""
                 : Concat("fusion#", ContentHash(ToJson(tuned).dump(
                                         -1, ' ', false, Json::error_handler_t::replace)));
}

std::string EncodeFusionHistory(std::span<const FusionEntry> entries) {
  Json list = Json::array();
  for (const FusionEntry& entry : entries) {
    Json item = {{"from_version", entry.from_version.value}};
    item.update(entry.removed ? Json{{"removed", true}} : ToJson(entry.tuned));
    list.push_back(std::move(item));
  }
  return list.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::vector<FusionEntry>> DecodeFusionHistory(std::string_view json) {
  const Json list = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array())
    return absl::DataLossError("the fusion history is damaged: it is not a JSON array");
  std::vector<FusionEntry> entries;
  for (const Json& item : list) {
    FusionEntry entry;
    if (!item.is_object()) return Damaged(entries.size(), "is not an object");
    Reader reader(item);
    reader.Whole("from_version", &entry.from_version.value);
    if (!reader.bad().empty()) return Damaged(entries.size(), reader.bad());
    if (entry.from_version <= (entries.empty() ? Version() : entries.back().from_version)) {
      return Damaged(entries.size(), "is out of order");
    }
    entry.removed = item.contains("removed");
    if (!entry.removed) {
      if (const std::string bad = ReadTuned(item, &entry.tuned); !bad.empty()) {
        return Damaged(entries.size(), bad);
      }
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

const FusionEntry* FindFusionAt(std::span<const FusionEntry> entries, Version at) {
  const FusionEntry* found = nullptr;
  for (const FusionEntry& entry : entries) {
    if (entry.from_version <= at) found = &entry;
  }
  return found == nullptr || found->removed ? nullptr : found;
}

}  // namespace vouch
