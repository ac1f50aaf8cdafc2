#pragma once

#include <chrono>
#include <string>

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

}  // namespace vouch
