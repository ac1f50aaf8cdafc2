#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "rag/llm/spend_book.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto book = vouch::SpendBook::Decode({reinterpret_cast<const char*>(data), size});
  if (!book.ok()) return 0;
  const auto again = vouch::SpendBook::Decode(book->Encode());
  if (!again.ok() || again->Encode() != book->Encode()) std::abort();
  const uint64_t before = book->CommittedNano(std::nullopt);
  book->LapseAt(INT64_MAX);
  if (book->CommittedNano(std::nullopt) != before) std::abort();
  return 0;
}

std::vector<std::string> FuzzSeeds() {
  vouch::SpendBook book;
  book.Account("p") = {.pipeline = "p",
                       .calls = 1,
                       .prompt_tokens = 20,
                       .completion_tokens = 3,
                       .spent_nano = 500,
                       .lapsed_nano = 7};
  book.next_id = 9;
  book.reservations.push_back({.id = 8, .pipeline = "q", .nano = 5, .lease_until_us = 100});
  return {book.Encode(), vouch::SpendBook().Encode()};
}
