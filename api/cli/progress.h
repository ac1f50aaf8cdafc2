#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace vouch {

// How far long work is, on standard error: a bar that is drawn over itself on a terminal, plain
// lines otherwise, at most one a second and the first after a second.
class Progress {
 public:
  explicit Progress(bool enabled);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `fraction` 0 to 1; below 0: not known.
  void Update(const std::string& text, double fraction);
  // Takes the bar away, so that other output starts on a clean line.
  void Clear();

 private:
  void Draw(const std::string& text, double fraction);

  bool enabled_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_;
};

// Shows how far work is that does not tell: looks at it now and then, on a thread of its own, for
// as long as the object lives. Nothing else may use `progress` meanwhile.
class ProgressWatch {
 public:
  // `look`: 0 to 1; below 0: not known.
  ProgressWatch(Progress& progress, std::string text, std::function<double()> look);
  ~ProgressWatch();
  ProgressWatch(const ProgressWatch&) = delete;
  ProgressWatch& operator=(const ProgressWatch&) = delete;

 private:
  std::mutex mu_;
  std::condition_variable wake_;
  bool ended_ = false;  // guarded by mu_
  std::thread thread_;
};

}  // namespace vouch
