#include "api/cli/stop_signal.h"

#include <semaphore.h>
#include <signal.h>

namespace vouch {
namespace {

sem_t came;
volatile sig_atomic_t received = 0;

void SetHandlers(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// Calls only what a signal handler may. The next signal meets the default.
void OnSignal(int signal) {
  received = signal;
  SetHandlers(SIG_DFL);
  sem_post(&came);
}

}  // namespace

StopSignal::~StopSignal() { SetHandlers(SIG_DFL); }

void StopSignal::Arm() {
  received = 0;
  sem_init(&came, 0, 0);
  SetHandlers(OnSignal);
}

bool StopSignal::Came() const { return received != 0; }

int StopSignal::Await() {
  while (sem_wait(&came) != 0) {  // EINTR: another handler ran
  }
  return received;
}

}  // namespace vouch
