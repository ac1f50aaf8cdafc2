#include "rag/llm/hedged_chat.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"

namespace vouch {
namespace {

using SteadyClock = std::chrono::steady_clock;

enum class Winner : uint8_t { kNone, kFirst, kSecond };

absl::Status Lost() { return absl::CancelledError("the other request was faster"); }

// Two requests for one text. The first one runs on the caller's thread.
class Race {
 public:
  Race(const HttpClient& http, const ChatEndpoint& endpoint,
       const std::vector<ChatMessage>& messages, const ChatParameters& parameters,
       const CancelToken& cancel, const TextSink& text, const HedgeTiming& hedge,
       std::string_view key)
      : http_(http),
        endpoint_(endpoint),
        messages_(messages),
        parameters_(parameters),
        cancel_(cancel),
        text_(text),
        hedge_(hedge),
        key_(key) {}
  ~Race() {
    stop_second_.store(true);
    if (second_.joinable()) second_.join();
  }

  HedgedTry Run() {
    HedgedTry result;
    result.first = TryChat(
        http_, endpoint_, messages_, parameters_, TokenOfFirst(),
        [this](std::string_view piece) { return OnFirstText(piece); }, key_);
    result.first_text_us = first_text_us_;
    if (winner_.load() == Winner::kSecond && first_text_us_ < 0) result.first_text_us = MicrosSinceStart();
    if (absl::Status ended = cancel_.Check(); !ended.ok() && !result.first.status.ok())
      result.first.status = ended;
    if (!second_.joinable()) return result;
    if (result.first.status.ok()) (void)Claim(Winner::kFirst);
    if (winner_.load() != Winner::kFirst) TakeSecond();
    stop_second_.store(true);
    second_.join();
    result.second = std::move(second_try_);
    result.second_won = winner_.load() == Winner::kSecond;
    if (result.second_won && !caller_.ok()) {
      result.second->status = caller_;
      result.second->stopped = caller_stopped_;
    }
    return result;
  }

 private:
  int64_t MicrosSinceStart() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - start_).count();
  }

  // Whether it is the winner now.
  bool Claim(Winner who) {
    Winner none = Winner::kNone;
    return winner_.compare_exchange_strong(none, who) || none == who;
  }

  CancelToken TokenOfFirst() {
    return CancelToken(absl::InfiniteFuture(), [this] {
      if (!cancel_.Check().ok() || winner_.load() == Winner::kSecond) return true;
      MaybeStart();
      return false;
    });
  }

  void MaybeStart() {
    if (decided_ || winner_.load() != Winner::kNone || MicrosSinceStart() < hedge_.delay_ms * 1'000)
      return;
    decided_ = true;
    if (!hedge_.start || !hedge_.start()) return;
    second_ = std::thread([this] { RunSecond(); });
  }

  absl::Status OnFirstText(std::string_view piece) {
    if (!Claim(Winner::kFirst)) return Lost();
    if (first_text_us_ < 0) first_text_us_ = MicrosSinceStart();
    return text_ ? text_(piece) : absl::OkStatus();
  }

  void RunSecond() {
    const CancelToken cancel(absl::InfiniteFuture(), [this] {
      return stop_second_.load() || winner_.load() == Winner::kFirst;
    });
    ChatTry done = TryChat(
        http_, endpoint_, messages_, parameters_, cancel,
        [this](std::string_view piece) -> absl::Status {
          if (!Claim(Winner::kSecond) || stop_second_.load()) return Lost();
          const std::lock_guard<std::mutex> lock(mu_);
          pieces_.emplace_back(piece);
          changed_.notify_one();
          return absl::OkStatus();
        },
        key_);
    if (done.status.ok()) (void)Claim(Winner::kSecond);
    const std::lock_guard<std::mutex> lock(mu_);
    second_try_ = std::move(done);
    second_ended_ = true;
    changed_.notify_one();
  }

  // Gives the second one's text to the caller, until it ends.
  void TakeSecond() {
    std::unique_lock<std::mutex> lock(mu_);
    while (true) {
      changed_.wait_for(lock, std::chrono::milliseconds(10),
                        [this] { return second_ended_ || !pieces_.empty(); });
      std::deque<std::string> pieces = std::exchange(pieces_, {});
      const bool ended = second_ended_;
      lock.unlock();
      for (const std::string& piece : pieces) {
        if (!caller_.ok() || !text_) break;
        caller_ = text_(piece);
        caller_stopped_ = !caller_.ok();
      }
      if (caller_.ok()) caller_ = cancel_.Check();
      if (!caller_.ok()) stop_second_.store(true);
      if (ended) return;
      lock.lock();
    }
  }

  const HttpClient& http_;
  const ChatEndpoint& endpoint_;
  const std::vector<ChatMessage>& messages_;
  const ChatParameters& parameters_;
  const CancelToken& cancel_;
  const TextSink& text_;
  const HedgeTiming& hedge_;
  const std::string_view key_;
  const SteadyClock::time_point start_ = SteadyClock::now();

  // The caller's thread alone.
  bool decided_ = false;
  int64_t first_text_us_ = -1;
  absl::Status caller_;  // how the caller ended the second one
  bool caller_stopped_ = false;
  std::thread second_;

  std::atomic<Winner> winner_ = Winner::kNone;
  std::atomic<bool> stop_second_ = false;
  std::mutex mu_;
  std::condition_variable changed_;
  // Guarded by mu_, until the second thread was joined.
  std::deque<std::string> pieces_;
  bool second_ended_ = false;
  ChatTry second_try_;
};

}  // namespace

HedgedTry TryChatHedged(const HttpClient& http, const ChatEndpoint& endpoint,
                        const std::vector<ChatMessage>& messages, const ChatParameters& parameters,
                        const CancelToken& cancel, const TextSink& text, const HedgeTiming& hedge,
                        std::string_view idempotency_key) {
  return Race(http, endpoint, messages, parameters, cancel, text, hedge, idempotency_key).Run();
}

}  // namespace vouch
