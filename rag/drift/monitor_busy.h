#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/status/status.h"
#include "index/cancel.h"
#include "storage/store.h"

namespace vouch {

// Who is at a monitor of a store: one at a time for each thing that is done with it, whichever objects
// of the process do it. Let go when it is destroyed.
class MonitorBusy {
 public:
  enum class With : uint8_t {
    kState,    // its state and alarms are read, changed and written
    kActions,  // what an alarm starts is run, for an hour perhaps; the state is taken for moments of it
  };

  // Tries once; taken() says whether it is.
  MonitorBusy(const Store& store, const std::string& tenant, const std::string& name, With with);
  ~MonitorBusy();
  MonitorBusy(const MonitorBusy&) = delete;
  MonitorBusy& operator=(const MonitorBusy&) = delete;

  bool taken() const { return taken_; }
  // Waits until it is taken; an error is the token's.
  absl::Status Wait(const CancelToken& cancel);

 private:
  using Key = std::tuple<const Store*, std::string, std::string, With>;
  struct Table;
  static Table& All();

  const Key key_;
  bool taken_ = false;
};

}  // namespace vouch
