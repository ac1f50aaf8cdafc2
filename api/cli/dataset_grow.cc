// `vouch dataset from-answers`.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "api/cli/command.h"
#include "api/cli/evaluation_commands.h"
#include "api/cli/evaluation_text.h"
#include "api/cli/message_json.h"
#include "api/cli/service_call.h"
#include "api/cli/text_output.h"
#include "api/cli/time_range.h"
#include "vouch/v1/evaluations.grpc.pb.h"

namespace vouch {
namespace {

struct GrowOptions {
  TimeRangeOptions range;
  std::string name;
  std::string pipeline;
  std::vector<std::string> filters;
  uint32_t sample = 0;
  uint64_t seed = 1;
  bool dry_run = false;
};

std::string FormatGrown(const v1::GrowDatasetReply& reply, bool dry_run) {
  std::string text = FormatDataset(reply.info());
  absl::StrAppend(&text, FormatCounted(reply.answers(), "answer"), dry_run ? " match; would add " : " match; added ",
                  FormatCounted(reply.added(), "question"));
  const auto say = [&text](uint64_t count, const char* what) {
    if (count > 0) absl::StrAppend(&text, ", ", FormatCount(count), " ", what);
  };
  say(reply.corrected(), "corrected");
  say(reply.repeated_questions(), "asked again");
  say(reply.known(), "known");
  say(reply.not_sampled(), "not in the sample");
  say(reply.covered(), "with covered places left out");
  say(reply.follow_ups(), "that do not stand alone left out");
  return text + "\n";
}

absl::Status RunGrow(Invocation& invocation, const GrowOptions& options) {
  v1::GrowDatasetRequest request;
  int64_t from_us = 0;
  int64_t to_us = 0;
  if (absl::Status status = ReadTimeRange(options.range, &from_us, &to_us); !status.ok()) return status;
  request.set_name(options.name);
  request.set_pipeline(options.pipeline);
  request.set_from_us(from_us);
  request.set_to_us(to_us);
  for (const std::string& filter : options.filters) request.add_filters(filter);
  request.set_sample(options.sample);
  request.set_seed(options.seed);
  request.set_dry_run(options.dry_run);
  v1::GrowDatasetReply reply;
  const absl::Status status = CallService<v1::Datasets>(
      invocation, [&](auto& stub, auto& context) { return stub.GrowDataset(&context, request, &reply); });
  if (!status.ok()) return status;
  Print(invocation.json ? FormatJson(MessageToJson(reply)) : FormatGrown(reply, options.dry_run));
  return absl::OkStatus();
}

}  // namespace

void AddDatasetGrowCommand(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<GrowOptions>();
  CLI::App* grow =
      AddCommand(group, invocation, CommandKind::kClient,
                 {"from-answers", "Grow a dataset by the questions of live answers, as a new version",
                  "  vouch dataset from-answers live --pipeline support --from 2026-11-01 --sample 200\n"
                  "  vouch dataset from-answers hard --filter answered --filter 'grounding<0.8'\n"
                  "  vouch dataset from-answers wrong --filter disliked\n"
                  "What an answer cites becomes its judgement, tagged 'cited'; it is no person's. What somebody corrected it to\n"
                  "becomes the reference answer, tagged 'corrected'. Questions that are there stay."},
                 [&invocation, options] { return RunGrow(invocation, *options); });
  grow->add_option("name", options->name, "the dataset's name")->required();
  grow->add_option("--pipeline", options->pipeline, "answers of this pipeline alone: NAME or NAME@NUMBER")->type_name("NAME");
  AddTimeRangeOptions(*grow, "answers", &options->range);
  grow->add_option("--filter", options->filters,
                   "answered, abstained, liked, disliked, grounding<SHARE, subject=NAME, collection=NAME, tier=NAME; may be repeated")
      ->type_name("TERM");
  grow->add_option("--sample", options->sample, "of the new questions, at most so many (default all)")->check(CLI::Range(1, 100'000));
  grow->add_option("--seed", options->seed, "the same seed takes the same ones (default 1)");
  grow->add_flag("--dry-run", options->dry_run, "say what it would be, and keep nothing");
}

}  // namespace vouch
