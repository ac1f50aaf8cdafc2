#include "rag/llm/spend_book.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "storage/concat.h"

namespace vouch {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kBookFormat = 1;

absl::Status DamagedBook(std::string_view what) {
  return absl::DataLossError(Concat("the book of spending is damaged: ", what));
}

// The fields of an object of one text and some numbers.
bool TakeNumber(const Json& object, const char* key, uint64_t* value) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return false;
  *value = found->get<uint64_t>();
  return true;
}

bool TakeText(const Json& object, const char* key, std::string* value) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return false;
  *value = found->get_ref<const std::string&>();
  return true;
}

bool TakeAccount(const Json& json, SpendAccount* account) {
  return json.is_object() && TakeText(json, "pipeline", &account->pipeline) &&
         TakeNumber(json, "calls", &account->calls) &&
         TakeNumber(json, "prompt_tokens", &account->prompt_tokens) &&
         TakeNumber(json, "completion_tokens", &account->completion_tokens) &&
         TakeNumber(json, "spent_nano", &account->spent_nano) &&
         TakeNumber(json, "lapsed_nano", &account->lapsed_nano);
}

bool TakeReservation(const Json& json, SpendReservation* reservation) {
  uint64_t lease_until_us = 0;
  if (!json.is_object() || !TakeNumber(json, "id", &reservation->id) ||
      !TakeText(json, "pipeline", &reservation->pipeline) ||
      !TakeNumber(json, "nano", &reservation->nano) ||
      !TakeNumber(json, "lease_until_us", &lease_until_us) || lease_until_us > INT64_MAX) {
    return false;
  }
  reservation->lease_until_us = static_cast<int64_t>(lease_until_us);
  return true;
}

}  // namespace

uint64_t AddNano(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

SpendAccount& SpendBook::Account(std::string_view pipeline) {
  const auto at = std::lower_bound(
      accounts.begin(), accounts.end(), pipeline,
      [](const SpendAccount& account, std::string_view name) { return account.pipeline < name; });
  if (at != accounts.end() && at->pipeline == pipeline) return *at;
  return *accounts.insert(at, SpendAccount{.pipeline = std::string(pipeline)});
}

uint64_t SpendBook::CommittedNano(std::optional<std::string_view> pipeline) const {
  uint64_t sum = 0;
  for (const SpendAccount& account : accounts) {
    if (pipeline && account.pipeline != *pipeline) continue;
    sum = AddNano(sum, AddNano(account.spent_nano, account.lapsed_nano));
  }
  for (const SpendReservation& reservation : reservations) {
    if (!pipeline || reservation.pipeline == *pipeline) sum = AddNano(sum, reservation.nano);
  }
  return sum;
}

void SpendBook::LapseAt(int64_t now_us) {
  std::erase_if(reservations, [&](const SpendReservation& reservation) {
    if (reservation.lease_until_us >= now_us) return false;
    SpendAccount& account = Account(reservation.pipeline);
    account.lapsed_nano = AddNano(account.lapsed_nano, reservation.nano);
    return true;
  });
}

std::string SpendBook::Encode() const {
  Json json = {{"format", kBookFormat},
               {"next_id", next_id},
               {"accounts", Json::array()},
               {"reservations", Json::array()}};
  for (const SpendAccount& account : accounts) {
    json["accounts"].push_back({{"pipeline", account.pipeline},
                                {"calls", account.calls},
                                {"prompt_tokens", account.prompt_tokens},
                                {"completion_tokens", account.completion_tokens},
                                {"spent_nano", account.spent_nano},
                                {"lapsed_nano", account.lapsed_nano}});
  }
  for (const SpendReservation& reservation : reservations) {
    json["reservations"].push_back({{"id", reservation.id},
                                    {"pipeline", reservation.pipeline},
                                    {"nano", reservation.nano},
                                    {"lease_until_us", reservation.lease_until_us}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<SpendBook> SpendBook::Decode(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return DamagedBook("it is no JSON object");
  uint64_t format = 0;
  if (!TakeNumber(json, "format", &format)) return DamagedBook("it has no format");
  if (format > kBookFormat) {
    return absl::FailedPreconditionError(
        Concat("the book of spending has format ", format, "; this program reads up to ", kBookFormat));
  }
  SpendBook book;
  if (!TakeNumber(json, "next_id", &book.next_id)) return DamagedBook("next_id");
  const auto accounts = json.find("accounts");
  const auto reservations = json.find("reservations");
  if (accounts == json.end() || !accounts->is_array() || accounts->size() > kMaxAccounts)
    return DamagedBook("accounts");
  if (reservations == json.end() || !reservations->is_array() ||
      reservations->size() > kMaxReservations) {
    return DamagedBook("reservations");
  }
  for (const Json& item : *accounts) {
    SpendAccount account;
    if (!TakeAccount(item, &account) ||
        (!book.accounts.empty() && book.accounts.back().pipeline >= account.pipeline)) {
      return DamagedBook(Concat("accounts[", book.accounts.size(), "]"));
    }
    book.accounts.push_back(std::move(account));
  }
  uint64_t last_id = 0;
  for (const Json& item : *reservations) {
    SpendReservation reservation;
    if (!TakeReservation(item, &reservation) || reservation.id <= last_id ||
        reservation.id >= book.next_id) {
      return DamagedBook(Concat("reservations[", book.reservations.size(), "]"));
    }
    last_id = reservation.id;
    book.reservations.push_back(std::move(reservation));
  }
  return book;
}

}  // namespace vouch
