#include "query/json_text.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nlohmann/json.hpp"
#include "query/white_space.h"

namespace vouch {
namespace {

struct Member {
  std::string_view name;  // as it is written, with its quotes
  std::string key;
  std::string value;  // JSON text; empty: removed
};

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool IsObject(std::string_view text) { return text.starts_with('{'); }

// The place after the text's end quote; `at` is that of its first one.
size_t EndOfText(std::string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

// Where the value that starts at `at` ends: at a comma or brace of the object around it.
size_t EndOfValue(std::string_view json, size_t at) {
  size_t depth = 0;
  while (at < json.size()) {
    const char c = json[at];
    if (c == '"') {
      at = EndOfText(json, at);
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}')) return at;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  return at;
}

std::string DecodeKey(std::string_view name) {
  if (name.find('\\') == std::string_view::npos) return std::string(name.substr(1, name.size() - 2));
  const auto text = nlohmann::json::parse(name, nullptr, /*allow_exceptions=*/false);
  return text.is_string() ? text.get<std::string>() : std::string(name);
}

class Members {
 public:
  explicit Members(std::string_view object) {
    size_t at = 1;
    while (at < object.size()) {
      while (at < object.size() && (IsSpace(object[at]) || object[at] == ',')) ++at;
      if (at >= object.size() || object[at] != '"') return;
      const size_t name_end = EndOfText(object, at);
      if (name_end > object.size()) return;
      const std::string_view name = object.substr(at, name_end - at);
      const size_t colon = object.find(':', name_end);
      if (colon == std::string_view::npos) return;
      at = EndOfValue(object, colon + 1);
      Set(name, DecodeKey(name), std::string(Trim(object.substr(colon + 1, at - colon - 1))));
    }
  }

  void Set(std::string_view name, std::string key, std::string value) {
    const auto [place, fresh] = places_.emplace(key, members_.size());
    if (fresh) {
      members_.push_back({name, std::move(key), std::move(value)});
    } else {
      members_[place->second].value = std::move(value);
    }
  }
  // Null where there is none.
  Member* Find(const std::string& key) {
    const auto place = places_.find(key);
    if (place == places_.end() || members_[place->second].value.empty()) return nullptr;
    return &members_[place->second];
  }
  std::vector<Member>& all() { return members_; }

  std::string Write() const {
    std::string json = "{";
    for (const Member& member : members_) {
      if (member.value.empty()) continue;
      if (json.size() > 1) json += ',';
      json.append(member.name).append(":").append(member.value);
    }
    return json += '}';
  }

 private:
  std::vector<Member> members_;  // in the order in which their keys came
  absl::flat_hash_map<std::string, size_t> places_;
};

}  // namespace

std::string MergePatch(std::string_view target, std::string_view patch) {
  target = Trim(target);
  patch = Trim(patch);
  if (!IsObject(patch)) return std::string(patch);
  Members changes(patch);
  Members members(IsObject(target) ? target : "{}");
  for (Member& change : changes.all()) {
    Member* old = members.Find(change.key);
    if (change.value == "null") {
      if (old != nullptr) old->value.clear();
      continue;
    }
    std::string value = MergePatch(old != nullptr ? old->value : "", change.value);
    members.Set(change.name, std::move(change.key), std::move(value));
  }
  return members.Write();
}

std::string RemoveKey(std::string_view object, std::string_view path) {
  object = Trim(object);
  if (!IsObject(object)) return std::string(object);
  const size_t dot = path.find('.');
  Members members(object);
  Member* const member = members.Find(std::string(path.substr(0, dot)));
  if (member == nullptr) return std::string(object);
  if (dot == std::string_view::npos) {
    member->value.clear();
  } else {
    member->value = RemoveKey(member->value, path.substr(dot + 1));
  }
  return members.Write();
}

std::vector<std::pair<std::string, std::string>> SplitObject(std::string_view object) {
  std::vector<std::pair<std::string, std::string>> parts;
  Members members(Trim(object));
  for (Member& member : members.all()) {
    parts.emplace_back(std::move(member.key), std::move(member.value));
  }
  return parts;
}

std::string OneLine(std::string_view json) {
  std::string line;
  line.reserve(json.size());
  for (size_t at = 0; at < json.size();) {
    if (json[at] == '"') {
      const size_t end = std::min(json.size(), EndOfText(json, at));
      line.append(json.substr(at, end - at));
      at = end;
    } else {
      if (!IsSpace(json[at])) line += json[at];
      ++at;
    }
  }
  return line;
}

}  // namespace vouch
