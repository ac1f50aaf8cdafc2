#pragma once

#include <string>

#include "vouch/v1/answers.pb.h"

namespace vouch {

// An answer for people: its text, then numbered sources with document, heading, and for each quote
// its bytes and whether it was verified; with `explain` all retrieved hits.
std::string FormatAnswer(const v1::Answer& answer, bool explain);
// The same without the text, for one that has been printed as it came.
std::string FormatBehindText(const v1::Answer& answer, bool explain);

}  // namespace vouch
