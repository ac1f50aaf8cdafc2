#pragma once

#include <string>

#include "absl/status/status.h"
#include "vouch/v1/evaluations.pb.h"

namespace vouch {

// What the commands on evaluations print for people.

std::string FormatDataset(const v1::DatasetInfo& info);
std::string FormatEvaluation(const v1::EvaluationDetail& detail);
std::string FormatComparison(const v1::EvaluationComparison& comparison);

// Before the work: what would keep an output file from being written after it. `option` is named in
// the error.
absl::Status CheckOutputFile(const std::string& option, const std::string& path);
absl::Status WriteOutputFile(const std::string& option, const std::string& path,
                             const std::string& bytes);

}  // namespace vouch
